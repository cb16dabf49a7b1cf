"""The one way from a repository to a tenant's tables: it adds the tenant's predicate and value.

`guard.py` stands behind it and refuses any statement that came another way and forgot them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    CursorResult,
    Delete,
    Executable,
    Row,
    Select,
    Table,
    Update,
    bindparam,
    func,
    literal,
)
from sqlalchemy import delete as sql_delete
from sqlalchemy import select as sql_select
from sqlalchemy import update as sql_update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from courierx_core.suppression.model import PLATFORM_WIDE
from courierx_sql.clock import now
from courierx_sql.sets import Sets

Insert: TypeAlias = sqlite.Insert | postgresql.Insert


TENANT = bindparam("tenant_id", type_=BigInteger())
"""The tenant in a statement that is made once, for all of them."""


def insert_into(dialect: str, table: Table) -> Insert:
    """Make the dialect's own INSERT: both know ON CONFLICT and RETURNING."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def fresh_id(dialect: str, table: Table) -> ColumnElement[int]:
    """Return what a statement that adds one row has for its id: on PostgreSQL it draws one as it runs."""
    if dialect == "sqlite":
        return bindparam("id", type_=BigInteger())
    return func.courierx_reserve(table.name, literal(1, BigInteger()), type_=BigInteger())


@cache
def _adding(dialect: str, table: Table) -> ReturningInsert[Any]:
    times = {name: now() for name in ("created_at", "updated_at") if name in table.c}
    statement = insert_into(dialect, table).values(id=fresh_id(dialect, table), **times)
    return statement.on_conflict_do_nothing().returning(table)


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
        return insert_into(self.connection.dialect.name, table).values(tenant_id=self.tenant_id)

    def insert_from(self, table: Table, names: list[str], rows: Select[Any]) -> Insert:
        """Insert what a query gives; its `tenant_id` column is this tenant's, and the guard looks."""
        return insert_into(self.connection.dialect.name, table).from_select(names, rows)

    def update(self, table: Table) -> Update:
        return sql_update(table).where(self.owns(table))

    def delete(self, table: Table) -> Delete:
        return sql_delete(table).where(self.owns(table))

    def execute(self, statement: Executable, rows: list[dict[str, Any]] | None = None) -> CursorResult[Any]:
        return self.connection.execute(statement, rows)

    def run(self, statement: Executable, **values: Any) -> CursorResult[Any]:
        """Run a statement that was made once, with TENANT where it names the tenant: to make one costs more
        than to run it."""
        return self.connection.execute(statement, {"tenant_id": self.tenant_id, **values})

    def add(self, table: Table, values: Mapping[str, Any]) -> Row[Any] | None:
        """Insert a row with a fresh id and its times by the database's clock; return it, or None where a
        unique key is taken."""
        statement = _adding(self.connection.dialect.name, table)
        computed = {name: value for name, value in values.items() if isinstance(value, ColumnElement)}
        if computed:
            statement = statement.values(**computed)
        plain = {name: value for name, value in values.items() if name not in computed}
        return self.run(statement, **plain, **self.fresh(table)).one_or_none()

    def fresh(self, table: Table) -> Mapping[str, int]:
        """Return the value of `id` where the statement does not draw one itself (`fresh_id`)."""
        return {"id": self.reserve(table)} if self.connection.dialect.name == "sqlite" else {}

    def reserve(self, table: Table, n: int = 1) -> int:
        """Return the first of `n` contiguous fresh ids."""
        return self.sets.reserve(self.connection, table.name, n)
