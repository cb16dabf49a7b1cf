"""All that one store holds into another, of either kind, as of one moment and in one transaction.

Rows pass by the tables' own types, so a time is a float in one file and a timestamptz in the other, and
both are the same moment. Ids stay, because they are in links that lie in mailboxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, delete, insert, select, true

from courierx_core.errors import Conflict
from courierx_core.suppression.model import PLATFORM_WIDE
from courierx_sql import guard
from courierx_sql.columns import metadata
from courierx_sql.sets import Sets
from courierx_sql.tables import OWNED, api_keys, counters, installation, tenants, workers

ROWS = 5000
"""Rows in memory at once."""
NOT_COPIED = frozenset({counters.name, workers.name})
"""The next ids are kept each database's own way; who works on the source does not work on the copy."""


class Side(NamedTuple):
    """An open transaction above tenants, and how its database is spoken to."""

    connection: Connection
    sets: Sets


def copy(theirs: Side, ours: Side) -> Iterator[tuple[str, int]]:
    """Give each table's name and its rows; all is there once our transaction is committed."""
    _require_empty(ours.connection)
    ids = theirs.connection.execute(select(tenants.c.id).order_by(tenants.c.id)).scalars()
    everyone = [PLATFORM_WIDE, *ids]
    for table in sorted(metadata.tables.values(), key=lambda each: each.name):
        if table.name not in NOT_COPIED:
            yield table.name, _copy_table(table, theirs, ours, everyone)
    ours.sets.start_ids(ours.connection, theirs.sets.next_ids(theirs.connection))


def _require_empty(connection: Connection) -> None:
    for table in (tenants, api_keys):
        if connection.execute(select(table.c.id).limit(1)).first() is not None:
            found = table.name.replace("_", " ")
            raise Conflict(f"The database to copy into is not empty, it has {found}: name a fresh one.")
    connection.execute(delete(installation))  # a process that looked in has left its name


def _copy_table(table: Table, theirs: Side, ours: Side, everyone: list[int]) -> int:
    if table.name not in OWNED:
        return _copy_rows(table, true(), theirs, ours)
    copied = 0
    if table.c.tenant_id.nullable:
        copied += _copy_rows(table, table.c.tenant_id.is_(None), theirs, ours)
    for tenant_id in everyone:
        for side in (theirs, ours):  # a database with row-level security shows a tenant's rows to nobody else
            side.sets.bind_tenant(side.connection, tenant_id)
        copied += _copy_rows(table, table.c.tenant_id == tenant_id, theirs, ours)
    for side in (theirs, ours):
        side.sets.bind_platform(side.connection)
    return copied


def _copy_rows(table: Table, which: ColumnElement[bool], theirs: Side, ours: Side) -> int:
    statement = select(table).where(which).order_by(*table.primary_key.columns)
    copied = 0
    for rows in (
        theirs.connection.execute(statement.execution_options(yield_per=ROWS)).mappings().partitions()
    ):
        ours.connection.execute(
            insert(table), [dict(row) for row in rows], execution_options=guard.ABOVE_TENANTS
        )
        copied += len(rows)
    return copied
