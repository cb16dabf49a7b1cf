"""The part `scale`: past one worker, past one year."""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.figures import Part
from tests.benchmarks.scale import crowd, history, limiter, workers
from tests.benchmarks.sink import Sink
from tests.benchmarks.sizes import Scale
from tests.servers import PostgresServer


def compare(
    sizes: Scale, rounds: int, sink_kind: type[Sink], postgres: PostgresServer, say: Callable[[str], None]
) -> Part:
    """Measure all of it. Raises Unbalanced when a message was lost, or an item claimed twice."""
    return {
        **workers.compare(sizes.workers, sizes.recipients, rounds, sink_kind, postgres, say),
        **limiter.compare(sizes.limited_seconds, rounds),
        **crowd.compare(*sizes.crowd, sizes.items, rounds, postgres),
        **history.compare(sizes.old, sizes.people, rounds, postgres, say),
    }
