"""Send items that use cases make: for named addresses, and for what a person sends again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from courierx_core.delivery.model import DeliveryState, moved
from courierx_core.messages.model import Message
from courierx_core.ports.transport import Stream
from courierx_core.work import SEND_ITEM_MAX, WorkItem
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.rows import counters
from courierx_sql.rows.messages import MessageRows
from courierx_sql.rows.work import WorkRows
from courierx_sql.tables import deliveries


def queue(tenant: Accessor, message: Message, rows: Sequence[Mapping[str, Any]]) -> None:
    """Make the send items of fresh, contiguous deliveries; the first carries their counts."""
    counts: Mapping[str, int] = Counter(row["state"] for row in rows)
    items = WorkRows(tenant)
    for chunk in _chunks(rows):
        if all(row["state"] != "queued" for row in chunk):
            continue
        lo, hi = chunk[0]["id"], chunk[-1]["id"]
        fields = {"lo": lo, "hi": hi, "cursor": lo - 1, "counts": counts, "due_at": message.scheduled_at}
        items.add(_item(tenant, message.id, message.stream, **fields))
        counts = {}
    counters.change(tenant, message.id, counts)


def requeue(
    tenant: Accessor, message_id: int, delivery_ids: Sequence[int], states: Collection[DeliveryState]
) -> list[int]:
    """See `ports.store.Deliveries.requeue`. `tries` starts again, and so does the retry schedule."""
    message = MessageRows(tenant).get(message_id)
    moving: dict[int, list[int]] = defaultdict(list)
    changes: Mapping[str, int] = {}
    for wanted in _chunks(sorted(set(delivery_ids))):
        for row in _take_back(tenant, message_id, wanted, states):
            moving[row.attempt].append(row.id)
            changes = moved(changes, row.state, "queued")
    counters.change(tenant, message_id, changes)
    items = WorkRows(tenant)
    for attempt, ids in moving.items():
        for chunk in _chunks(ids):
            # one above the attempt each has made: an open row is unresolved in exactly one item
            fields = {"ids": tuple(chunk), "lo": chunk[0], "hi": chunk[-1], "attempt": attempt + 1}
            items.add(_item(tenant, message_id, message.stream, cursor=chunk[0] - 1, **fields))
    return sorted(each for ids in moving.values() for each in ids)


def _take_back(
    tenant: Accessor, message_id: int, ids: Sequence[int], states: Collection[DeliveryState]
) -> Sequence[Row[Any]]:
    """Queue what of `ids` is in `states`; return it as it was, by id."""
    columns = deliveries.c
    statement = (
        tenant.select(deliveries, columns.id, columns.state, columns.attempt)
        .where(
            columns.id.in_(ids),
            columns.message_id == message_id,
            columns.state.in_(sorted(states)),
            columns.address != "",  # erased
        )
        .order_by(columns.id)
        .with_for_update()
    )
    rows = tenant.execute(statement).all()
    fresh = {"state": "queued", "tries": 0, "reason": "", "status": "", "reply": "", "updated_at": now()}
    tenant.execute(tenant.update(deliveries).where(columns.id.in_([row.id for row in rows])).values(**fresh))
    return rows


def _item(tenant: Accessor, message_id: int, stream: Stream, **fields: Any) -> WorkItem:
    return WorkItem(tenant_id=tenant.tenant_id, stream=stream, topic="send", subject_id=message_id, **fields)


def _chunks(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[at : at + SEND_ITEM_MAX] for at in range(0, len(rows), SEND_ITEM_MAX)]
