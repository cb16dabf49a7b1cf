"""The log: deliveries with their campaign and their events, a page in two statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Exists, and_, exists, func

from courierx_core.delivery.log import STATE_OF, LogLine, LogStatus
from courierx_core.delivery.model import Delivery
from courierx_core.feedback.model import Event
from courierx_sql.accessor import Accessor
from courierx_sql.rows.events import EventRows
from courierx_sql.tables import deliveries, events, messages

_DELIVERY = [column for column in deliveries.c if column.name in Delivery.__struct_fields__]


def read(
    tenant: Accessor,
    *,
    delivery_id: int | None,
    message_id: int | None,
    status: LogStatus | None,
    address: str | None,
    since: datetime | None,
    before: int | None,
    limit: int,
) -> Sequence[LogLine]:
    """Read a page, newest first. `limit` has been looked at."""
    named = (("id", delivery_id), ("message_id", message_id), ("address", address))
    conditions = [deliveries.c[name] == value for name, value in named if value is not None]
    if since is not None:
        conditions.append(deliveries.c.updated_at >= since)
    if before is not None:
        conditions.append(deliveries.c.id < before)
    if status is not None:
        conditions.append(_is(tenant, status))
    with_message = deliveries.join(
        messages,
        and_(messages.c.tenant_id == deliveries.c.tenant_id, messages.c.id == deliveries.c.message_id),
    )
    page = (
        tenant.select(deliveries, *_DELIVERY, messages.c.campaign_id, messages.c.created_at)
        .select_from(with_message)
        .where(*conditions)
        .order_by(deliveries.c.id.desc())
        .limit(limit)
    )
    rows = [dict(row._mapping) for row in tenant.execute(page)]
    told = _events(tenant, [row["id"] for row in rows])
    return [_line(row, told.get(row["id"], ())) for row in rows]


def _line(row: dict[str, object], told: Sequence[Event]) -> LogLine:
    kinds = {event.kind: event for event in told}
    campaign_id, created_at = row.pop("campaign_id"), row["created_at"]
    return LogLine(
        delivery=Delivery(**row),  # type: ignore[arg-type]
        campaign_id=campaign_id,  # type: ignore[arg-type]
        created_at=created_at,  # type: ignore[arg-type]
        last=max(told, key=lambda event: (event.at, event.id), default=None),
        bounce=kinds.get("bounced"),
        complaint=kinds.get("complained"),
    )


def _is(tenant: Accessor, status: LogStatus) -> ColumnElement[bool]:
    state, complained = STATE_OF[status], _complained(tenant)
    return complained if state is None else and_(deliveries.c.state == state, ~complained)


def _complained(tenant: Accessor) -> Exists:
    return exists().where(
        tenant.owns(events), events.c.delivery_id == deliveries.c.id, events.c.kind == "complained"
    )


def _events(tenant: Accessor, delivery_ids: Sequence[int]) -> dict[int, list[Event]]:
    """Return the latest event of each kind of each delivery: a few, however often a mail was opened."""
    if not delivery_ids:
        return {}
    latest = (
        tenant.select(events, func.max(events.c.id))
        .where(events.c.delivery_id.in_(delivery_ids))
        .group_by(events.c.delivery_id, events.c.kind)
    )
    found = list(tenant.execute(latest).scalars())
    told: dict[int, list[Event]] = {}
    for event in EventRows(tenant).some(found):
        assert event.delivery_id is not None
        told.setdefault(event.delivery_id, []).append(event)
    return told
