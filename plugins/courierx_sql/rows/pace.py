"""What of a message is under way, and how fast it moves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, func

from courierx_core.delivery.model import OPEN, Pace
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.columns import Utc
from courierx_sql.tables import deliveries, work

LATELY_SECONDS = 60.0
LAST_ITEMS = 20
"""Items that are looked at, beside those under way: 10,000 deliveries, however large the campaign is."""


def pace(tenant: Accessor, message_id: int) -> Pace:
    """See `ports.store.Deliveries.pace`."""
    items = tenant.select(work).where(work.c.subject_id == message_id, work.c.topic == "send")
    leased = tenant.execute(items.where(work.c.lease_until.is_not(None))).all()
    # items are made in the order in which they are sent
    done = items.where(work.c.state == "done").order_by(work.c.id.desc()).limit(LAST_ITEMS)
    found = [_answered(tenant, item) for item in (*leased, *tenant.execute(done).all())]
    oldest = max((age for _, age in found), default=0.0)
    return Pace(
        in_flight=sum(len(under_way(tenant, item)) for item in leased),
        per_second=round(sum(n for n, _ in found) / max(oldest, 1.0), 1),
    )


def under_way(tenant: Accessor, item: Row[Any]) -> list[int]:
    """Return the deliveries whose intent is committed and whose answer is not."""
    if item.lease_until is None:
        return []
    columns = deliveries.c
    statement = tenant.select(deliveries, columns.id).where(
        _covered(item), columns.id <= item.cursor, columns.attempt < item.attempt, columns.state.in_(OPEN)
    )
    return list(tenant.execute(statement).scalars())


def _answered(tenant: Accessor, item: Row[Any]) -> tuple[int, float]:
    """Count what of an item was answered lately, and the seconds since the first of it."""
    columns = deliveries.c
    first = func.min(columns.updated_at, type_=Utc())
    lately = (func.count().label("n"), first.label("first"), now().label("present"))
    statement = tenant.select(deliveries, *lately).where(
        _covered(item), columns.attempt >= item.attempt, columns.updated_at > now(-LATELY_SECONDS)
    )
    row = tenant.execute(statement).one()
    return row.n, (row.present - row.first).total_seconds() if row.n else 0.0


def _covered(item: Row[Any]) -> ColumnElement[bool]:
    columns = deliveries.c
    return columns.id.in_(item.ids) if item.ids is not None else columns.id.between(item.lo, item.hi)
