"""Where the mail goes, in a process of its own: Postfix's smtp-sink, or the project's server."""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import subprocess
import time
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from courierx_core.testing import SmtpServer
from tests.benchmarks.campaign import address
from tests.benchmarks.figures import Unbalanced
from tests.ports import free_port

SBIN = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
START_SECONDS = 10.0
STILL_SECONDS = 1.2
"""smtp-sink shows its counters once a second at the latest."""


class Sink(ABC):
    """A server that takes everything, from `__enter__` to `__exit__`."""

    port = 0
    pid = 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = ExitStack()

    def __enter__(self) -> Sink:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def problem(self, wanted: int) -> str:
        """Say what is wrong when each of `wanted` people should have one copy; '' when nothing is."""

    @abstractmethod
    def taken(self, wanted: int) -> int:
        """Count the messages taken, when nobody sends any more; wait a while for as many as wanted."""

    def hold(self, who: str, wanted: int) -> None:
        """Raise Unbalanced unless each of `wanted` people has one copy; when nobody sends any more."""
        if problem := self.problem(wanted):
            raise Unbalanced(f"{who}: {problem}")


class PostfixSink(Sink):
    """Counts messages and keeps nothing: as fast as a server can be."""

    def start(self) -> None:
        self.port = free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        out = self.stack.enter_context((self.folder / "sink").open("wb"))
        program = shutil.which("smtp-sink", path=SBIN) or "smtp-sink"
        process = subprocess.Popen(
            [program, *user, "-c", f"127.0.0.1:{self.port}", "1000"], stdout=out, stderr=subprocess.DEVNULL
        )
        self.pid = process.pid
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                return
            time.sleep(0.05)
        raise RuntimeError("smtp-sink does not answer")

    def problem(self, wanted: int) -> str:
        taken = self.taken(wanted)
        return "" if taken == wanted else f"the sink took {taken} messages, {wanted} were to be sent"

    def taken(self, wanted: int) -> int:
        deadline = time.monotonic() + START_SECONDS
        taken, before = self._shown(), -1
        while taken != before or (taken < wanted and time.monotonic() < deadline):
            time.sleep(STILL_SECONDS)
            taken, before = self._shown(), taken
        return taken

    def _shown(self) -> int:
        found = re.findall(rb"mesg=(\d+)", (self.folder / "sink").read_bytes())
        return int(found[-1]) if found else 0


class RecordingSink(Sink):
    """The project's server, which writes down who got what before it answers."""

    def start(self) -> None:
        self.server = self.stack.enter_context(SmtpServer(folder=self.folder))
        self.port, self.pid = self.server.port, self.server.pid

    def problem(self, wanted: int) -> str:
        copies = self.copies()
        everyone = {address(number) for number in range(wanted)}
        lost = sorted(everyone - set(copies))
        strangers = sorted(set(copies) - everyone)
        twice = sorted(each for each, count in copies.items() if count > 1)
        said = ("lost", lost), ("sent to nobody's address", strangers), ("sent more than once", twice)
        return "; ".join(f"{len(some)} {what}, such as {some[0]}" for what, some in said if some)

    def taken(self, wanted: int) -> int:
        return self.copies().total()

    def copies(self) -> Counter[str]:
        return self.server.counts()

    def mean_size(self) -> int:
        """Return the bytes of a message on average."""
        sizes = [message.size for message in self.server.received()]
        return sum(sizes) // len(sizes)


def fast_sink() -> type[Sink]:
    """Choose Postfix's where it is installed."""
    return PostfixSink if shutil.which("smtp-sink", path=SBIN) else RecordingSink
