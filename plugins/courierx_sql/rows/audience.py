"""Who an audience names, as conditions on `subscribers`.

With lists or a segment: everyone on one of them or in it, whatever their own status, since a snapshot
gives those who may not be mailed a closed row. Without: every active subscriber. `sets_*.snapshot` says
the same of lists in raw SQL; the store's contract holds the two together.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_

from courierx_core.audience.model import Audience
from courierx_sql.accessor import Accessor
from courierx_sql.rows.membership import matches, on_any
from courierx_sql.tables import subscribers


def members(tenant: Accessor, audience: Audience) -> list[ColumnElement[bool]]:
    """Return the conditions that a member meets."""
    if audience.segment_id is not None and audience.segment is None:
        raise ValueError(f"Segment {audience.segment_id} was not resolved before the store was asked.")
    named = [on_any(tenant, audience.list_ids)] if audience.list_ids else []
    if audience.segment is not None:
        named.append(matches(tenant, audience.segment))
    conditions = [or_(*named) if named else subscribers.c.status == "active"]
    if audience.exclude_list_ids:
        conditions.append(~on_any(tenant, audience.exclude_list_ids))
    return conditions


def next_members(tenant: Accessor, audience: Audience, *, after: int, limit: int) -> list[int]:
    """Return the next members' ids above `after`."""
    statement = (
        tenant.select(subscribers, subscribers.c.id)
        .where(subscribers.c.id > after, *members(tenant, audience))
        .order_by(subscribers.c.id)
        .limit(limit)
    )
    return list(tenant.execute(statement).scalars())
