"""What must hold between a tenant's rows, whatever died and when (LEDGER section 3: I1, I5, I7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

Invariant: TypeAlias = Literal[
    "counters",  # a message's counters add up to its rows
    "known_states",  # every state is one that the code has
    "open_deliveries_have_work",  # what is to be sent is covered by an item that will send it
    "completed_is_closed",  # a completed message has no open item and no open delivery
    "no_orphans",  # what a row names is there
    "pruned_keeps_its_report",  # what is left of a campaign whose deliveries are kept no longer
]


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that break an invariant: how many, and the ids of some."""

    invariant: Invariant
    what: str
    """Which rows of which table, in words."""
    count: int
    examples: tuple[int, ...]


class Upkeep(Protocol):
    def broken(self, *, examples: int = 5) -> Sequence[Broken]:
        """Hold the tenant's rows against every invariant. It reads them all once: for people, not for a
        loop. Open it with `write=False`, so that it sees one moment beside whatever is sending."""
