"""A segment's tree as a condition on `subscribers` (`audience.tree` says what it means).

Every value is a parameter. No part is ever NULL, so `not` is the opposite on both databases.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_

from courierx_core.audience import tree
from courierx_sql.accessor import Accessor
from courierx_sql.rows.attributes import Stored, attribute
from courierx_sql.tables import campaigns, events, subscribers, subscriptions


def matches(tenant: Accessor, node: tree.Node) -> ColumnElement[bool]:
    """Say that the subscriber is in the segment."""
    match node:
        case tree.And(of):
            return and_(*(matches(tenant, each) for each in of))
        case tree.Or(of):
            return or_(*(matches(tenant, each) for each in of))
        case tree.Not(of):
            return not_(matches(tenant, of))
        case tree.Field():
            return _text(tenant, subscribers.c[node.name], node.op, node.value)
        case tree.Attribute():
            return attribute(tenant, node.name, lambda stored: _value(tenant, stored, node))
        case tree.Created():
            return _between(subscribers.c.created_at, node)
        case tree.OnList(list_id):
            return on_any(tenant, (list_id,))
        case tree.HasEvent():
            return _event(tenant, node)


def on_any(tenant: Accessor, list_ids: tuple[int, ...]) -> ColumnElement[bool]:
    """Say that the subscriber is on one of the lists."""
    return exists().where(
        tenant.owns(subscriptions),
        subscriptions.c.list_id.in_(list_ids),
        subscriptions.c.subscriber_id == subscribers.c.id,
        subscriptions.c.status == "subscribed",
    )


def _event(tenant: Accessor, node: tree.HasEvent) -> ColumnElement[bool]:
    conditions = [
        tenant.owns(events),
        events.c.recipient == subscribers.c.email,
        events.c.kind == node.kind,
        events.c.machine.is_(False),
        _between(events.c.at, node),
    ]
    if node.campaign_id is not None:
        of = tenant.select(campaigns, campaigns.c.message_id).where(campaigns.c.id == node.campaign_id)
        conditions.append(events.c.message_id == of.scalar_subquery())
    return exists().where(*conditions)


def _between(at: ColumnElement[object], node: tree.Created | tree.HasEvent) -> ColumnElement[bool]:
    if node.within_days is not None:
        raise ValueError("A tree is settled before a store is asked: `within_days` needs a present.")
    conditions = [at >= node.since] if node.since is not None else []
    return and_(True, *conditions, *([at < node.before] if node.before is not None else []))


def _value(tenant: Accessor, stored: Stored, node: tree.Attribute) -> ColumnElement[bool]:
    value = node.value
    match value:
        case None:
            return stored.is_there()
        case bool():
            return stored.is_bool(value)
        case int() | float():
            number, given = stored.number(), stored.given(value)
            compared = {
                "equals": number == given,
                "less_than": number < given,
                "at_most": number <= given,
                "more_than": number > given,
                "at_least": number >= given,
            }
            return func.coalesce(compared[node.op], False)
        case _:
            same = and_(stored.is_text(), _text(tenant, stored.text(), node.op, value))
            if node.op == "contains" and isinstance(value, str):
                return or_(same, stored.has_element(value))
            return same


def _text(
    tenant: Accessor, column: ColumnElement[str], op: str, value: str | tuple[str, ...]
) -> ColumnElement[bool]:
    """Compare letter by letter: LIKE knows no case on SQLite, and some case on PostgreSQL."""
    if not isinstance(value, str):
        return column.in_(value)
    if op == "contains":
        find = func.instr if tenant.connection.dialect.name == "sqlite" else func.strpos
        return find(column, value) > 0
    if op == "starts_with":
        return func.substr(column, 1, len(value)) == value
    if op == "ends_with":
        return func.substr(column, func.length(column) - (len(value) - 1)) == value
    return column == value
