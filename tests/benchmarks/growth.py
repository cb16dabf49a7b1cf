"""What a message costs in a large campaign, beside what it costs in a small one.

Counted in processor time and in database pages, because a rate tells how busy the machine was. The small
campaign is sent several times, half before and half after the large one: one alone is over in an instant.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from tests.benchmarks import pipeline
from tests.benchmarks.figures import Figures, Part, medians, own_cpu
from tests.benchmarks.sink import Sink
from tests.benchmarks.sizes import STORES, Pipeline
from tests.servers import PostgresServer


def compare(
    few: int,
    many: int,
    half: int,
    rounds: int,
    sink_kind: type[Sink],
    postgres: PostgresServer,
    say: Callable[[str], None],
) -> Part:
    """Return both campaigns' figures on each store, and what the large one's are times the small one's.

    The small one is sent `half` times before the large one, and as often after it.
    """
    found: dict[str, list[Figures]] = {}
    for _ in range(rounds):
        for store in STORES:
            small, large = (Pipeline(store, 200, "tags", 1, recipients) for recipients in (few, many))
            before = [pipeline.measure(small, sink_kind, postgres) for _ in range(half)]
            grown = pipeline.measure(large, sink_kind, postgres)
            after = [pipeline.measure(small, sink_kind, postgres) for _ in range(half)]
            usual = {name: statistics.fmean(each[name] for each in (*before, *after)) for name in before[0]}
            times = compared(usual, grown)
            for key, figures in (
                (small.key, usual),
                (large.key, grown),
                (f"{store}: {many:,} to {few:,}", times),
            ):
                found.setdefault(key, []).append(figures)
            say(f"{large.key}: {times['cpu']:.2f} times the processor time of n={few}")
    return {key: medians(figures) for key, figures in found.items()}


def compared(few: Figures, many: Figures) -> Figures:
    """Return ratios of the cost of a message, and the difference in memory."""
    times: Figures = {"cpu": own_cpu(many) / own_cpu(few)}
    for name in ("buffers", "wal_bytes"):
        if few.get(name):
            times[name] = many[name] / few[name]
    return times | {"memory_mb_more": many["memory_mb"] - few["memory_mb"]}
