"""A `courierx serve` of a test's own, and the patience to wait for it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

PATIENCE_SECONDS = 40.0


class Serving:
    """A running `courierx serve` (or another command that has children), and what it has said so far."""

    def __init__(
        self, folder: Path, *options: str, command: Sequence[str] = ("serve", "--port", "0")
    ) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COURIERX_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "courierx_app.cli", *command, *options],
            cwd=folder,
            env={**environ, "ENVIRONMENT": "development"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(line.rstrip())

    def word_after(self, mark: str) -> str:
        """Wait for a line that begins with `mark`; return the word behind it."""
        lines = until(lambda: [line for line in self.said if line.startswith(mark)], self.said)
        return str(lines[0]).removeprefix(mark).split()[0]

    @property
    def url(self) -> str:
        return self.word_after("CourierX listens on ")

    def child(self, word: str, *, other_than: int = 0) -> psutil.Process:
        """Wait for the living child whose command line holds `word`."""

        def look() -> psutil.Process | None:
            return next(
                (each for each in self.children() if word in line_of(each) and each.pid != other_than), None
            )

        found: psutil.Process = until(look, self.said)
        return found

    def children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def line_of(process: psutil.Process) -> str:
    """Return a process's command line; '' once it has ended, reaped or not."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def until(look: Callable[[], Any], shown: object = "") -> Any:
    """Look until there is something; fail after PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing came: {shown}"
        time.sleep(0.05)
    return found


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    running: list[Serving] = []

    def start(*options: str, **how: Any) -> Serving:
        running.append(Serving(tmp_path, *options, **how))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.terminate()
        each.process.wait(PATIENCE_SECONDS)
