"""A lane's part of what transports that are warmed up may send today, so that the store is not asked for
each delivery."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from courierx_core.courier import Courier
from courierx_core.delivery.model import OPEN, REFUSED
from courierx_core.errors import StoreError
from courierx_core.ports.ledger import Outcome
from courierx_core.ports.platform import PlatformUnit
from courierx_core.ports.transport import Stream
from courierx_core.transports.warmup import Warmup

log = logging.getLogger("courierx.delivery")

AGAIN_SECONDS = 600.0
"""When a day that is used up is looked at again at the latest: somebody may give some back."""


class Given(msgspec.Struct, frozen=True):
    """What a day gave of what was asked for, and the seconds that it lasts."""

    granted: int
    seconds: float
    limited: bool = True


def take(
    unit: PlatformUnit, name: str, policy: Warmup, stream: Stream, want: int, answered: int, objected: int
) -> Given:
    """Take of what a transport may send today (less than 0: give back), once what was answered is counted."""
    last, now = unit.transports.warm_day(name, lock=True)
    day = policy.today(last, now.date())
    day = msgspec.structs.replace(day, answered=day.answered + answered, objected=day.objected + objected)
    limited = not policy.free(day)
    granted = min(want, policy.room(day, stream)) if limited else want
    day = msgspec.structs.replace(day, used=max(0, day.used + granted) if limited else day.used)
    if day != last:
        unit.transports.keep_warm_day(name, day)
    ends = datetime.combine(day.day + timedelta(days=1), datetime.min.time(), now.tzinfo)
    return Given(granted, (ends - now).total_seconds(), limited)


def objected(outcome: Outcome) -> bool:
    """Tell whether the far side had something against us: a deferral, unless it is of the mailbox (4.2.z, RFC
    3463 section 3.3), or a refusal for policy (5.7.z)."""
    status = outcome.status or ""
    if outcome.state in OPEN:
        return (status or outcome.reply).startswith("4") and not status.startswith("4.2.")
    return outcome.state in REFUSED and status.startswith("5.7.")


class _Part:
    __slots__ = ("answered", "left", "limited", "objected", "until")

    def __init__(self) -> None:
        self.left = 0
        self.limited = True
        self.until = -math.inf
        """Monotonic time at which the day is over, and what is left of it worth nothing."""
        self.answered = 0
        self.objected = 0
        """Not told to the store yet."""


class Warmups:
    """A lane's: used by its thread only."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._parts: dict[str, _Part] = {}

    def take(self, transport: str, stream: Stream, want: int, *, ahead: int) -> int:
        """Take up to `want` (>= 1); `ahead` are as many as will be asked for soon. Raises StoreError."""
        if transport not in self._courier.policy.warmups:
            return want
        part = self._parts.setdefault(transport, _Part())
        if self._courier.runtime.monotonic() >= part.until or (part.limited and not part.left):
            self._fill(transport, stream, part, max(want, ahead))
        if not part.limited:
            return want
        taken = min(want, part.left)
        part.left -= taken
        return taken

    def wait(self, transport: str) -> float:
        """Return in how many seconds to ask again, for one that had nothing."""
        left = self._parts[transport].until - self._courier.runtime.monotonic()
        return min(max(left, 1.0), AGAIN_SECONDS)

    def spare(self, transport: str, n: int = 1) -> None:
        """Return what `take` gave, and nothing was sent with."""
        part = self._parts.get(transport)
        if part is not None and part.limited:
            part.left += n

    def answered(self, outcomes: Iterable[Outcome]) -> None:
        """Note what became of deliveries that were intended."""
        if not self._parts:
            return
        for each in outcomes:
            part = self._parts.get(each.transport)
            if part is None or not part.limited:
                continue
            against = objected(each)
            if each.tries or against:
                part.answered, part.objected = part.answered + 1, part.objected + against
            else:
                self.spare(each.transport)

    def give_back(self) -> None:
        """Tell the store what was answered, and return everything: the run ends."""
        for transport, part in self._parts.items():
            if part.left or part.answered:
                try:
                    self._fill(transport, "transactional", part, -part.left)
                except StoreError as error:
                    log.warning("%d of the day of transport %s are lost: %s", part.left, transport, error)
            part.left, part.until = 0, -math.inf

    def _fill(self, transport: str, stream: Stream, part: _Part, want: int) -> None:
        policy, began = self._courier.policy.warmups[transport], self._courier.runtime.monotonic()
        with self._courier.store.platform() as unit:
            given = take(unit, transport, policy, stream, want, part.answered, part.objected)
        part.answered = part.objected = 0
        part.left, part.limited, part.until = given.granted, given.limited, began + given.seconds
