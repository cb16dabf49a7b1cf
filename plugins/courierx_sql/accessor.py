"""The one way from a repository to a tenant's tables: it adds the tenant's predicate and value.

`guard.py` stands behind it and refuses any statement that came another way and forgot them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, CursorResult, Delete, Executable, Select, Table, Update
from sqlalchemy import delete as sql_delete
from sqlalchemy import select as sql_select
from sqlalchemy import update as sql_update
from sqlalchemy.dialects import postgresql, sqlite

from courierx_core.suppression.model import PLATFORM_WIDE
from courierx_sql.sets import Sets

Insert: TypeAlias = sqlite.Insert | postgresql.Insert


def insert_into(connection: Connection, table: Table) -> Insert:
    """Make the dialect's own INSERT: both know ON CONFLICT and RETURNING."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


class Accessor:
    """One tenant's tables on one connection, inside one transaction."""

    __slots__ = ("connection", "sets", "tenant_id")

    def __init__(self, connection: Connection, tenant_id: int, sets: Sets) -> None:
        self.connection = connection
        self.tenant_id = tenant_id
        self.sets = sets

    def owns(self, table: Table) -> ColumnElement[bool]:
        """Return the tenant's predicate, for a further table of a join or a subquery."""
        return table.c.tenant_id == self.tenant_id

    def select(self, table: Table, *columns: ColumnElement[Any]) -> Select[Any]:
        """Select `columns` (all by default) of the tenant's rows."""
        return sql_select(*(columns or (table,))).where(self.owns(table))

    def select_shared(self, table: Table, *columns: ColumnElement[Any]) -> Select[Any]:
        """Select the tenant's rows and the platform's, of a table of `scopes.SHARED`."""
        return sql_select(*(columns or (table,))).where(
            table.c.tenant_id.in_([self.tenant_id, PLATFORM_WIDE])
        )

    def insert(self, table: Table) -> Insert:
        return insert_into(self.connection, table).values(tenant_id=self.tenant_id)

    def insert_from(self, table: Table, names: list[str], rows: Select[Any]) -> Insert:
        """Insert what a query gives; its `tenant_id` column is this tenant's, and the guard looks."""
        return insert_into(self.connection, table).from_select(names, rows)

    def update(self, table: Table) -> Update:
        return sql_update(table).where(self.owns(table))

    def delete(self, table: Table) -> Delete:
        return sql_delete(table).where(self.owns(table))

    def execute(self, statement: Executable, rows: list[dict[str, Any]] | None = None) -> CursorResult[Any]:
        return self.connection.execute(statement, rows)

    def reserve(self, table: Table, n: int = 1) -> int:
        """Return the first of `n` contiguous fresh ids."""
        return self.sets.reserve(self.connection, table.name, n)
