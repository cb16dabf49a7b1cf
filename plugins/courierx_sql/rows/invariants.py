"""The invariants as statements: each gives the ids of the rows that break one, none where all is well.

A statement reads each table that it names once, and joins in sets: no index on state is there to help,
and a look per delivery would take hours where a set takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    case,
    exists,
    func,
    or_,
    select,
    true,
    union_all,
)

from courierx_core.campaigns.model import CampaignStatus
from courierx_core.delivery.model import OPEN, STATES
from courierx_core.ports.upkeep import Invariant
from courierx_core.work import OF_MESSAGE, WorkState
from courierx_sql import tables as t
from courierx_sql.accessor import Accessor

NAMED: tuple[tuple[Table, str, Table], ...] = (
    (t.deliveries, "message_id", t.messages),
    (t.message_counters, "message_id", t.messages),
    (t.frozen_reports, "message_id", t.messages),
    (t.pruned_deliveries, "message_id", t.messages),
    (t.attempts, "delivery_id", t.deliveries),
    (t.campaigns, "message_id", t.messages),
    (t.subscriptions, "list_id", t.lists),
    (t.subscriptions, "subscriber_id", t.subscribers),
    (t.import_errors, "import_id", t.imports),
)
"""Column of a table, and the table whose ids it holds. An event may outlive what it is about."""


class Check(NamedTuple):
    """A statement whose only column is the id of a broken row, named `id`."""

    invariant: Invariant
    what: str
    rows: Select[Any]


def checks(tenant: Accessor) -> Iterator[Check]:
    yield Check("counters", "messages whose counters are not what their deliveries add up to", _sums(tenant))
    for table, column, known in (
        (t.deliveries, t.deliveries.c.state, STATES),
        (t.work, t.work.c.state, get_args(WorkState)),
        (t.campaigns, t.campaigns.c.status, get_args(CampaignStatus)),
    ):
        rows = tenant.select(table, table.c.id).where(column.not_in(known))
        yield Check("known_states", f"{table.name} in a state that there is not", rows)
    yield Check("open_deliveries_have_work", "open deliveries that no item will send", _forgotten(tenant))
    yield Check("completed_is_closed", "completed messages with something left to send", _unfinished(tenant))
    for table, name, other in NAMED:
        yield Check(
            "no_orphans", f"{table.name} whose {name} is not there", _orphans(tenant, table, name, other)
        )
    lost = tenant.select(t.work, t.work.c.id).where(
        t.work.c.topic.in_(OF_MESSAGE), ~_there(tenant, t.messages, t.work.c.subject_id)
    )
    yield Check("no_orphans", "work to send a message that is not there", lost)
    yield Check("pruned_keeps_its_report", "pruned campaigns without their report", _untold(tenant))


def _sums(tenant: Accessor) -> Select[Any]:
    """Add what items and messages count, take away what there is: all that remains is wrong, but of what is
    pruned, whose counts outlive its rows."""
    item, own, rows = t.work.c, t.message_counters.c, t.deliveries.c
    counted = (
        tenant.select(
            t.work, item.subject_id, *(func.coalesce(item.counts[s].as_integer(), 0) for s in STATES)
        )
        .where(item.topic.in_(OF_MESSAGE))
        .subquery()
    )
    kept = tenant.select(t.message_counters, own.message_id, own.kind, own.n)
    there = tenant.select(t.deliveries, rows.message_id, rows.state, -func.count()).group_by(
        rows.message_id, rows.state
    )
    changes = union_all(kept, there).subquery()
    message, kind, n = changes.c
    parts = union_all(
        select(*counted.c), select(message, *(case((kind == s, n), else_=0) for s in STATES))
    ).subquery()
    subject, *states = parts.c
    pruned = tenant.select(t.messages, t.messages.c.id).where(t.messages.c.pruned_at.is_not(None))
    return (
        select(subject.label("id"))
        .where(subject.not_in(pruned))
        .group_by(subject)
        .having(or_(*(func.sum(state) != 0 for state in states)))
    )


def _forgotten(tenant: Accessor) -> Select[Any]:
    row, item = t.deliveries.c, t.work.c
    is_open = tenant.select(t.deliveries, row.id).where(row.state.in_(OPEN))
    moving = (tenant.owns(t.work), item.topic == "send", item.state != "done")
    in_range = tenant.select(t.deliveries, row.id).where(
        *moving, item.ids.is_(None), row.id.between(item.lo, item.hi), row.message_id == item.subject_id
    )
    if tenant.connection.dialect.name == "sqlite":
        each: Any = func.json_each(item.ids).table_valued("value")
        listed = select(each.c.value).select_from(t.work.join(each, true())).where(*moving)
    else:
        listed = select(func.unnest(item.ids, type_=BigInteger)).where(*moving)
    left = is_open.except_(in_range, listed).subquery()
    return select(left.c.id)


def _unfinished(tenant: Accessor) -> Select[Any]:
    message, row, item = t.messages.c, t.deliveries.c, t.work.c
    delivery = tenant.select(t.deliveries, row.message_id).where(row.state.in_(OPEN))
    work = tenant.select(t.work, item.subject_id).where(item.topic.in_(OF_MESSAGE), item.state != "done")
    return tenant.select(t.messages, message.id).where(
        message.completed_at.is_not(None), or_(message.id.in_(delivery), message.id.in_(work))
    )


def _untold(tenant: Accessor) -> Select[Any]:
    message, kept = t.messages.c, t.frozen_reports.c
    return tenant.select(t.messages, message.id).where(
        message.pruned_at.is_not(None),
        message.campaign_id.is_not(None),
        message.id.not_in(tenant.select(t.frozen_reports, kept.message_id)),
    )


def _orphans(tenant: Accessor, table: Table, name: str, other: Table) -> Select[Any]:
    column = table.c[name]
    return (
        tenant.select(table, column.label("id"))
        .where(column.is_not(None), ~_there(tenant, other, column))
        .distinct()
    )


def _there(tenant: Accessor, table: Table, row_id: ColumnElement[int]) -> ColumnElement[bool]:
    return exists().where(tenant.owns(table), table.c.id == row_id)
