"""What a worker may send of a tenant's quotas: taken from the store in parts, what is over given back.

A part is as much as the items at hand need, so an item costs a transaction and not each message. Nobody
sends what is not taken, so a quota is exact across processes; what a killed worker had taken and not sent
is lost for the period.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import datetime

from courierx_core.courier import Courier
from courierx_core.errors import StoreError

log = logging.getLogger("courierx.delivery")

LOOK_SECONDS = 5.0
"""How long it is believed that a tenant has no quota. That one is used up is never believed: it may have
been raised since the last item, and this one would wait for long."""
AGAIN_SECONDS = 600.0
"""When an item is due again at the latest that a quota keeps back: somebody may raise it."""


class _Part:
    __slots__ = ("left", "limited", "old", "out", "retry_after", "taken_at", "until")

    def __init__(self) -> None:
        self.left = 0
        self.limited = True
        self.until = -math.inf
        """Monotonic time at which what is left is worth nothing: a period ends."""
        self.out = 0
        """Taken and not answered, of this part's period."""
        self.old = 0
        """The same of the periods before: what is not spent of these is worth nothing now."""
        self.taken_at: datetime | None = None
        self.retry_after = 0.0


class Allowances:
    """A lane's: used by its thread only."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._parts: dict[int, _Part] = {}

    def take(self, tenant_id: int, want: int, *, ahead: int) -> int:
        """Take up to `want` (>= 1); `ahead` are as many as will be asked for soon. Raises StoreError."""
        part = self._parts.setdefault(tenant_id, _Part())
        expired = self._courier.runtime.monotonic() >= part.until
        if expired:
            part.old, part.out = part.old + part.out, 0
        if expired or (part.limited and not part.left):
            self._fill(tenant_id, part, max(want, ahead))
        if not part.limited:
            return want
        taken = min(want, part.left)
        part.left, part.out = part.left - taken, part.out + taken
        return taken

    def wait(self, tenant_id: int) -> float:
        """Return in how many seconds an item is to be tried again for which there was nothing."""
        return min(max(self._parts[tenant_id].retry_after, 1.0), AGAIN_SECONDS)

    def spare(self, tenant_id: int, n: int) -> None:
        """Return what `take` gave just now."""
        part = self._parts[tenant_id]
        if part.limited:
            part.left, part.out = part.left + n, part.out - n

    def answered(self, tenant_id: int, spent: Sequence[bool]) -> None:
        """Note what became of some that were taken a while ago; each that was not spent may go again."""
        part = self._parts.get(tenant_id)
        if part is None or not part.limited:
            return
        for each in spent:
            if each:
                part.out, part.old = (part.out - 1, part.old) if part.out else (0, max(0, part.old - 1))
            elif part.old:  # it may be one of those: rather one too few than one too many
                part.old -= 1
            elif part.out:
                part.left, part.out = part.left + 1, part.out - 1

    def give_back(self) -> None:
        """Return everything to the store: the run ends."""
        for tenant_id, part in self._parts.items():
            if not part.left or part.taken_at is None:
                continue
            try:
                with self._courier.store.begin(tenant_id) as unit:
                    unit.quotas.give_back(part.left, part.taken_at)
            except StoreError as error:
                log.warning("%d of the quotas of tenant %s are lost: %s", part.left, tenant_id, error)
            part.left, part.until = 0, -math.inf

    def _fill(self, tenant_id: int, part: _Part, want: int) -> None:
        began = self._courier.runtime.monotonic()
        with self._courier.store.begin(tenant_id, write=False) as unit:
            limited = bool(unit.quotas.list())
        if not limited:
            part.limited, part.until = False, began + LOOK_SECONDS
            return
        with self._courier.store.begin(tenant_id) as unit:
            if part.left and part.taken_at:  # of a period that is over; longer ones may last still
                unit.quotas.give_back(part.left, part.taken_at)
            given = unit.quotas.take(want)
        part.limited, part.left, part.taken_at = given.limited, given.granted, given.taken_at
        part.retry_after = 0.0 if given.granted else given.retry_after
        part.until = began + given.valid_seconds
