"""What a store does to keep who changed what. See `ports.store`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from courierx_core.audit import Entry


class Audit(Protocol):
    """Append-only, for as long as it is kept. A unit that changes something while somebody acts (`audit.ACT`)
    notes it by itself."""

    def add(self, action: str, subject: str, detail: Mapping[str, Any], *, actor: str) -> None: ...
    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Entry]: ...
    def let_go(self, *, before: datetime, limit: int = 5000) -> int:
        """Remove those of the first `limit` entries that were made before a time; return how many."""
