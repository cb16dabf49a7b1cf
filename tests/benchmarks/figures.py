"""What a run measured, and medians of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TypeAlias

Figures: TypeAlias = dict[str, float]
"""Name -> number: rates a second, microseconds a message, megabytes, or ratios taken within one round."""
Part: TypeAlias = dict[str, Figures]
"""What was compared -> its figures."""


class Unbalanced(Exception):
    """A run lost a message or sent one twice: whatever it measured counts for nothing."""


def own_cpu(figures: Figures) -> float:
    """Return what a message cost worker and database; the sink is not ours, and has no books to keep."""
    return figures["worker_cpu_us"] + figures.get("database_cpu_us", 0.0)


def medians(rounds: Sequence[Figures]) -> Figures:
    return {name: rounded(statistics.median(each[name] for each in rounds)) for name in rounds[0]}


def rounded(value: float) -> float:
    """Keep what can be read: two digits after the point of small figures, none of large ones."""
    return round(value, 2) if value < 100 else float(round(value))
