"""Quotas: a row per tenant and period, and what is used of the period that `since` began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case

from courierx_core.quotas.model import PERIODS, Granted, Period, Quota, began, ends
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.tables import quotas

SHORTEST_FIRST = case({period: n for n, period in enumerate(PERIODS)}, value=quotas.c.period)


class QuotaRows:
    """See `ports.quotas.Quotas`."""

    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

    def list(self) -> Sequence[Quota]:
        return [quota for quota, _ in self._read(lock=False)]

    def set(self, period: Period, allowed: int | None) -> None:
        if allowed is None:
            self._tenant.execute(self._tenant.delete(quotas).where(quotas.c.period == period))
            return
        new = self._tenant.insert(quotas).values(period=period, allowed=allowed, used=0, since=now())
        self._tenant.execute(
            new.on_conflict_do_update(index_elements=["tenant_id", "period"], set_={"allowed": allowed})
        )

    def take(self, want: int) -> Granted:
        found = self._read(lock=True)
        if not found:
            return Granted(granted=want, limited=False)
        left = {quota.period: max(0, quota.allowed - quota.used) for quota, _ in found}
        granted = min(want, *left.values())
        resets = {quota.period: _seconds(quota.resets_at, at) for quota, at in found}
        for quota, at in found if granted else ():
            mine = self._tenant.update(quotas).where(quotas.c.period == quota.period)
            self._tenant.execute(mine.values(used=quota.used + granted, since=began(quota.period, at)))
        short = [resets[period] for period in left if left[period] < want]
        return Granted(
            granted=granted,
            taken_at=max(at for _, at in found),
            valid_seconds=min(resets.values()),
            retry_after=max(short, default=0.0),
        )

    def give_back(self, n: int, taken_at: datetime) -> None:
        used = case((quotas.c.used > n, quotas.c.used - n), else_=0)
        self._tenant.execute(self._tenant.update(quotas).where(quotas.c.since <= taken_at).values(used=used))

    def _read(self, *, lock: bool) -> Sequence[tuple[Quota, datetime]]:
        """Give each quota as it is now, and when now is."""
        rows = self._tenant.select(quotas, *quotas.c, now().label("present")).order_by(SHORTEST_FIRST)
        return [
            _as_it_is(row.period, row.allowed, row.used, row.since, row.present)
            for row in self._tenant.execute(rows.with_for_update() if lock else rows)
        ]


def _as_it_is(
    period: Period, allowed: int, used: int, since: datetime, present: datetime
) -> tuple[Quota, datetime]:
    # PostgreSQL's now() is when a transaction began: whoever waited for the row may look at it from before
    at = max(present, since)
    if since < began(period, at):
        used = 0
    return Quota(period=period, allowed=allowed, used=used, resets_at=ends(period, at)), at


def _seconds(end: datetime | None, at: datetime) -> float:
    return (end - at).total_seconds() if end else 0.0
