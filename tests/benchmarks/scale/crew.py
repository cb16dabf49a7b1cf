"""Processes that begin together: each says `ready`, waits for a line, and says what it found as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0


@contextmanager
def crew(program: str, processes: int, *arguments: str) -> Iterator[Callable[[], list[Any]]]:
    """Start so many of `tests.benchmarks.scale.PROGRAM`; yield what lets them go and returns their words."""
    command = [sys.executable, "-m", f"tests.benchmarks.scale.{program}", *arguments]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)
        for _ in range(processes)
    ]

    def answers() -> list[Any]:
        for each in started:
            assert each.stdout
            if each.stdout.readline() != "ready\n":
                raise RuntimeError(f"{program}: a process does not begin")
        for each in started:
            assert each.stdin
            each.stdin.write("go\n")
            each.stdin.flush()
        return [json.loads(each.communicate()[0]) for each in started]

    try:
        yield answers
    finally:
        for each in started:
            each.kill()
            each.wait(PATIENCE)
