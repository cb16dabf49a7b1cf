"""What the project promises of more than one process, and of old databases."""

from __future__ import annotations

from tests.benchmarks.bars import Bar
from tests.benchmarks.figures import Part


def bars(part: Part) -> list[Bar]:
    """Hold the part `scale` against its bars."""

    def of(name: str, figure: str) -> float | None:
        return part.get(name, {}).get(figure)

    return [
        Bar("2 workers that RQ wakes: times the embedded queue", "at least", 0.95,
            of("ratios", "rq_x_embedded")),
        Bar("8 workers: times the best number of workers", "at least", 0.8,
            of("ratios", "most_workers_x_best")),
        Bar("the Redis limiter, 4 processes: percent off", "at most", 1.0,
            of("limiter, 4 processes", "off_percent")),
        Bar("a claim among old deliveries: times one without", "at most", 1.2, of("old x none", "claim_ms")),
        Bar("reading what was claimed: times without", "at most", 1.2, of("old x none", "read_ms")),
        Bar("recording a window: times without", "at most", 1.2, of("old x none", "window_ms")),
    ]  # fmt: skip
