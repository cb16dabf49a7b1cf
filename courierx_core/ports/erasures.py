"""What a store does to forget a person. See `ports.store`."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of a person and is gone: rows by what they were."""

    subscribers: int = 0
    deliveries: int = 0
    """Sent or closed; each stays in the counts of its message, without a person."""
    events: int = 0
    messages: int = 0
    """Whose content was for this person alone, or named them."""
    opt_ins: int = 0
    import_errors: int = 0
    answers: int = 0
    """Kept for an Idempotency-Key."""


class Erasures(Protocol):
    def key(self) -> bytes | None:
        """Return the tenant's key of marks as it was kept; None where nobody was ever erased."""

    def keep_key(self, sealed: bytes) -> bytes:
        """Keep an encrypted key where the tenant has none; return the one that it has now."""

    def hinders(self, address: str) -> str:
        """Say what may write the address down again while it is erased (an import, a snapshot or a delivery
        under way), '' for nothing; then none of it can begin before this unit ends."""

    def erase(self, address: str) -> Erased:
        """Take an address, and all that came with it, out of everything the tenant has. Deliveries stay in
        the counts of their message, the open ones as cancelled, and events in theirs."""
