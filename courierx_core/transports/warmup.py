"""Warm-up: a transport whose addresses nobody knows yet sends a little more each day, while that goes well.

Receivers trust an address by what they have seen of it. So its days are capped, and a cap grows only after a
day that was used and that few receivers objected to; after one that many did, it takes a step back.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from courierx_core.delivery.shares import broadcast_share
from courierx_core.ports.transport import Stream
from courierx_core.transports.model import WarmDay

ANSWERS_MIN = 20
"""Of fewer answers a share says nothing."""
A_DAY_MAX = 10**9
Cap = Annotated[int, Meta(ge=1, le=A_DAY_MAX)]


class Warmup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a transport is warmed up. Raises ValueError where `full` is less than `start`."""

    start: Cap = 50
    """Messages on its first day (UTC)."""
    full: Cap = 50_000
    """Messages a day from which on nothing holds it back."""
    growth: Annotated[int, Meta(ge=1, le=1000)] = 50
    """Percent more on the day after one that went well."""
    hold_at: Annotated[int, Meta(ge=1, le=100)] = 10
    """Percent of a day's answers: where as many are deferrals, or refusals for policy, the day is over."""

    def __post_init__(self) -> None:
        if self.full < self.start:
            raise ValueError(f"full is {self.full:,}; it takes start, {self.start:,}, or more")

    def __str__(self) -> str:
        return f"{self.start:,} on its first day, {self.growth} % more on each, free from {self.full:,}"

    def today(self, last: WarmDay | None, today: date) -> WarmDay:
        """Return the day that `today` is, after the last on which it was used."""
        if last is None:
            return WarmDay(day=today, allowed=self.start)
        if today <= last.day:  # the same, or a clock was set back
            return last
        allowed = last.allowed
        if self.holds(last):
            allowed = allowed * 100 // (100 + self.growth)
        elif last.used >= allowed // 2:
            allowed = max(allowed + 1, allowed * (100 + self.growth) // 100)
        return WarmDay(day=today, allowed=min(max(allowed, self.start), self.full))

    def holds(self, day: WarmDay) -> bool:
        """Tell whether so many objected that nothing more goes on this day."""
        return day.answered >= ANSWERS_MIN and day.objected * 100 >= self.hold_at * day.answered

    def free(self, day: WarmDay) -> bool:
        """Tell whether it is warm: nothing is counted any more."""
        return day.allowed >= self.full and not self.holds(day)

    def room(self, day: WarmDay, stream: Stream) -> int:
        """Return how many more may go on this day; campaigns leave some of it to single messages."""
        if self.holds(day):
            return 0
        part = broadcast_share(day.allowed) if stream == "broadcast" else day.allowed
        return max(0, part - day.used)
