"""Child processes that are kept running: started again when one dies, ended in order when told to stop."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from courierx_app.parent import VARIABLE

log = logging.getLogger("courierx_app.children")

GRACE_SECONDS = 45.0
"""What a child gets to finish what is under way before it is killed."""
STEADY_SECONDS = 10.0
"""A child that lived this long is restarted at once; one that dies sooner waits longer each time."""
LONGEST_WAIT_SECONDS = 30.0


@contextmanager
def lifeline() -> Iterator[int]:
    """Yield the end of a pipe for children to inherit: it closes with us, however we end, and ends them."""
    alive, ours = os.pipe()
    try:
        yield alive
    finally:
        os.close(ours)
        os.close(alive)


def keep(children: Callable[[threading.Event], Sequence[Child]]) -> int:
    """Run what `children` makes until SIGTERM or SIGINT; return the exit status."""
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        kept = children(stop)
        for child in kept:
            child.start()
        # A wait without a time-out would not let a signal's handler run on every platform.
        while not stop.wait(1.0):
            pass
        for child in kept:
            child.ask_to_end()
        deadline = time.monotonic() + GRACE_SECONDS
        clean = [child.end(deadline) for child in kept]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0 if all(clean) else 1


class Child(threading.Thread):
    """Keeps one process of ours running until told to stop; a new interpreter each time, never a fork."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        alive: int,
        stop: threading.Event,
        environ: Mapping[str, str] = os.environ,
        handles: tuple[int, ...] = (),
    ) -> None:
        super().__init__(name=f"courierx-{name}", daemon=True)
        self._word, self._arguments = name, arguments
        self._environ, self._handles = {**environ, VARIABLE: str(alive)}, (alive, *handles)
        self._stopping = stop
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            began = time.monotonic()
            with self._lock:
                if self._stopping.is_set():
                    return
                self._process = process = subprocess.Popen(  # noqa: S603  our own modules
                    [sys.executable, *self._arguments],
                    env=self._environ,
                    pass_fds=self._handles,
                    # Ctrl-C reaches the supervisor alone, which then ends its children in order.
                    start_new_session=True,
                )
            status = process.wait()
            if self._stopping.is_set():
                return
            steady = time.monotonic() - began >= STEADY_SECONDS
            wait = 0.0 if steady else min(max(1.0, wait * 2), LONGEST_WAIT_SECONDS)
            log.error("The %s ended with status %s; it is started again in %.0f s.", self._word, status, wait)

    def ask_to_end(self) -> None:
        """Forward SIGTERM; the process finishes what is under way."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def end(self, deadline: float) -> bool:
        """Wait until the process has ended, by force after `deadline`; True when it ended by itself."""
        self.join(max(0.0, deadline - time.monotonic()))
        if not self.is_alive():
            return True
        with self._lock:
            if self._process is not None:
                log.error("The %s did not end in %.0f s and is killed.", self._word, GRACE_SECONDS)
                self._process.kill()
        self.join()
        return False
