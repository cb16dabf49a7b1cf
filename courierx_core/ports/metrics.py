"""What a store can tell about the whole install in a moment: read every few seconds, so never by counting
what is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from courierx_core.ports.transport import Stream
from courierx_core.work import Topic

NO_TENANT = 0
"""The tenant of a tally that is nobody's in particular."""
OTHER_TENANTS = -1
"""The tenant of what is summed over the tenants that are not told apart."""


class Tally(msgspec.Struct, frozen=True, order=True):
    """How often something ended in one way. Every process adds to it, and it only grows."""

    name: str
    tenant_id: int
    source: str
    """What did it: a transport, a feedback source, a topic."""
    outcome: str
    n: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """The work items of a topic and stream that are due, or leased."""

    topic: Topic
    stream: Stream
    due: int = 0
    due_seconds: float = 0.0
    """How long the oldest of them has been due."""
    leased: int = 0
    expired_seconds: float = 0.0
    """How long ago the oldest lease that nobody has swept yet ended."""


class Metrics(Protocol):
    def add(self, tallies: Sequence[Tally]) -> None:
        """Add to what is counted; one of a name, tenant, source and outcome each."""

    def tallies(self, *, tenants: int = 100) -> Sequence[Tally]:
        """Return everything counted, in order. The `tenants` oldest tenants are told apart, and the others
        summed as OTHER_TENANTS: which they are hardly ever changes, and each sum only grows."""

    def backlog(self) -> Sequence[Backlog]:
        """Return what is due or leased now, by topic and stream; what has neither is left out."""

    def heartbeat_seconds(self) -> float | None:
        """Return the seconds since any worker's last heartbeat; None where there was none."""
