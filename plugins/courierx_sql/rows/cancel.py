"""Cancel what of a message is not under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from courierx_core.delivery.model import OPEN, moved
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.rows import counters
from courierx_sql.rows.pace import under_way
from courierx_sql.tables import deliveries, work


def cancel_open(tenant: Accessor, message_id: int) -> int:
    """See `ports.store.Deliveries.cancel_open`. Items still ready or leased are stopped as well."""
    statement = tenant.select(work).where(
        work.c.subject_id == message_id, work.c.topic.in_(("send", "resend")), work.c.state != "done"
    )
    # the row locks order this against every window: what is intended is known from here on
    items = tenant.execute(statement.order_by(work.c.id).with_for_update()).all()
    sent = {item.id: under_way(tenant, item) for item in items}
    _stop(tenant, [item for item, ids in sent.items() if ids], "held")
    _stop(tenant, [item for item, ids in sent.items() if not ids], "done")
    return _close(tenant, message_id, [each for ids in sent.values() for each in ids])


def _stop(tenant: Accessor, items: list[int], state: str) -> None:
    if not items:
        return
    values: dict[str, Any] = {"state": state}
    if state == "done":
        values |= {"owner": "", "lease_until": None}
    tenant.execute(tenant.update(work).where(work.c.id.in_(items)).values(**values))


def _close(tenant: Accessor, message_id: int, except_ids: list[int]) -> int:
    columns = deliveries.c
    statement = (
        tenant.update(deliveries)
        .where(columns.message_id == message_id, columns.id.not_in(except_ids))
        .values(state="cancelled", updated_at=now())
    )
    changes: Mapping[str, int] = {}
    total: Counter[str] = Counter()
    for state in OPEN:
        total[state] = tenant.execute(statement.where(columns.state == state)).rowcount
        changes = moved(changes, state, "cancelled", total[state])
    counters.change(tenant, message_id, changes)
    return total.total()
