"""Limiters: integer rates, taken before sending. A refusal costs nothing."""

from __future__ import annotations

from abc import abstractmethod

import msgspec

from courierx_core.ports.driver import C, Driver


class Rate(msgspec.Struct, frozen=True):
    """`count` per `seconds`, both whole and at least 1; at most `burst` at once, 0 for one second's worth
    (at least 1)."""

    count: int
    seconds: int = 1
    burst: int = 0

    @property
    def at_once(self) -> int:
        """How many an idle key may take."""
        return self.burst or max(1, self.count // self.seconds)


class Grant(msgspec.Struct, frozen=True):
    """How many of the wanted may go now, and after how many seconds the next would be granted."""

    granted: int
    retry_after: float = 0.0


class Limiter(Driver[C]):
    """Entry-point group `courierx.limiters`. See `courierx_core.testing.LimiterContract`."""

    @abstractmethod
    def take(self, key: str, want: int, rate: Rate) -> Grant:
        """Take up to `want` (>= 1) permits of `key`; grants 0..want and never raises for being over."""
