"""Where a tenant's quotas are kept: rows, so that all processes share them to the last message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from courierx_core.quotas.model import Granted, Period, Quota


class Quotas(Protocol):
    def list(self) -> Sequence[Quota]:
        """Return the tenant's quotas, the shortest period first, with what is used of them now."""

    def set(self, period: Period, allowed: int | None) -> None:
        """Allow so many; None lifts the quota. What was used of a period stays used."""

    def take(self, want: int) -> Granted:
        """Take up to `want` of every quota at once; nobody else can take the same."""

    def give_back(self, n: int, taken_at: datetime) -> None:
        """Return what was not used, to those of the periods that last still."""
