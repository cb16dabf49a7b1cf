"""A `courierx` process that a test starts, and stops in every way there is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
END_SECONDS = 30.0
"""What SIGTERM may take (LEDGER R21)."""


class Process:
    """One process of the product; its words are in `log`."""

    def __init__(self, log: Path, folder: Path, environ: Mapping[str, str], *arguments: str) -> None:
        self.log = log
        with log.open("ab") as words:
            self._popen = subprocess.Popen(
                [sys.executable, str(LAUNCH), *arguments],
                cwd=folder,
                env={**_plain(), **environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
            )
        self.pid = self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        """SIGKILL. Raises AssertionError if it had ended by itself: then the fault did not land."""
        assert self.running, f"the process ended before it was killed:\n{self.words()}"
        self._popen.kill()
        self._popen.wait(END_SECONDS)

    def suspend(self) -> None:
        """Stop every thread of it, and wait until they have stopped (where the system tells)."""
        os.kill(self.pid, signal.SIGSTOP)
        while any(_state(task) not in "TtZX" for task in Path(f"/proc/{self.pid}/task").glob("*/stat")):
            time.sleep(0.001)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self) -> None:
        self._popen.terminate()

    def wait(self, seconds: float = END_SECONDS) -> int:
        """Wait for its end; return its status, -9 after SIGKILL."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it has not ended within {seconds} s:\n{self.words()}") from None

    def stop(self) -> None:
        """SIGTERM, and a clean end within END_SECONDS."""
        self.terminate()
        status = self.wait()
        assert status == 0, f"it ended with status {status}:\n{self.words()}"

    def discard(self) -> None:
        """End it however that works."""
        if self.running:
            self._popen.kill()
            self._popen.wait(END_SECONDS)

    def words(self) -> str:
        return self.log.read_text("utf-8", "replace")[-4000:]

    def peak_kilobytes(self) -> int:
        """Return the most memory that it has held so far."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise AssertionError("the kernel does not tell VmHWM")


def _plain() -> dict[str, str]:
    """Leave out what the machine happens to have set."""
    ours = ("COURIERX_", "SMTP_", "DATABASE_", "SES_", "REDIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _state(task: Path) -> str:
    """Return a thread's state, the letter after its name (proc_pid_stat(5)); one that has ended is dead."""
    try:
        return task.read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
