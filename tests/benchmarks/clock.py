"""Wall and processor time of the parts of a run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Clock:
    """Adds up the wall and CPU time of what it runs, by name."""

    def __init__(self) -> None:
        self.wall: defaultdict[str, list[float]] = defaultdict(list)
        self.cpu: defaultdict[str, float] = defaultdict(float)

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        done = work()
        self.wall[name].append(time.perf_counter() - wall)
        self.cpu[name] += time.process_time() - cpu
        return done

    def rate(self, n: int, *names: str) -> float:
        return n / sum(sum(self.wall[name]) for name in names)
