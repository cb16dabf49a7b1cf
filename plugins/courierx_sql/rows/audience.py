"""Who an audience names, as conditions on `subscribers`.

With lists: everyone subscribed to one of them, whatever their own status, since a snapshot gives those
who may not be mailed a closed row. Without: every active subscriber. `sets_*.snapshot` says the same in
raw SQL; the store's contract holds the two together.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists

from courierx_core.audience.model import Audience
from courierx_core.errors import InvalidInput
from courierx_sql.accessor import Accessor
from courierx_sql.tables import subscribers, subscriptions


def members(tenant: Accessor, audience: Audience) -> list[ColumnElement[bool]]:
    """Return the conditions that a member meets."""
    check(audience)
    if audience.list_ids:
        conditions = [on_any(tenant, audience.list_ids)]
    else:
        conditions = [subscribers.c.status == "active"]
    if audience.exclude_list_ids:
        conditions.append(~on_any(tenant, audience.exclude_list_ids))
    return conditions


def check(audience: Audience) -> None:
    """Refuse what no store can resolve yet."""
    if audience.segment_id is not None:
        raise InvalidInput.of(
            "audience.segment_id", "unsupported", "Segments are not supported; name lists instead."
        )


def on_any(tenant: Accessor, list_ids: tuple[int, ...]) -> ColumnElement[bool]:
    """Say that the subscriber is on one of the lists."""
    return exists().where(
        tenant.owns(subscriptions),
        subscriptions.c.list_id.in_(list_ids),
        subscriptions.c.subscriber_id == subscribers.c.id,
        subscriptions.c.status == "subscribed",
    )
