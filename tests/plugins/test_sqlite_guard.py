"""The fence behind the accessor: every statement on a tenant's table names the transaction's tenant (T05)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    Table,
    create_engine,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
    update,
)

from courierx_core.ports.driver import utcnow
from courierx_sql import guard
from courierx_sql.columns import Utc, metadata
from courierx_sql.guard import ABOVE_TENANTS, PLATFORM, TENANT, Unscoped
from courierx_sql.scopes import SHARED
from courierx_sql.tables import OWNED, lists, subscribers, subscriptions, suppressions, tenants

# SQLAlchemy notices only where the tenant is part of the key, and only warns
pytestmark = pytest.mark.filterwarnings("ignore:Column .*tenant_id. is marked as a member of the primary key")

MINE, THEIRS = 1, 2
TABLES = [metadata.tables[name] for name in sorted(OWNED)]
every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
p, s, l = subscribers.c, subscriptions.c, lists.c  # noqa: E741


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://")
    metadata.create_all(made)
    guard.watch(made)
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection bound to MINE, rolled back afterwards."""
    with engine.connect() as made:
        made.execution_options(**{TENANT: MINE})
        yield made
        made.rollback()


def refused(connection: Connection, statement: Any, rows: Any = None) -> None:
    with pytest.raises(Unscoped):
        connection.execute(statement, rows)


def sample(table: Table, tenant: int | None) -> dict[str, Any]:
    """Make a row that fits the table's types closely enough for SQLite."""
    values: dict[str, Any] = {}
    for column in table.c:
        kind = column.type.python_type if column.name not in ("ids", "counts", "detail") else dict
        values[column.name] = {bytes: b"", str: "", bool: False, dict: {}}.get(kind, 1)
        if isinstance(column.type, Utc):
            values[column.name] = None if column.nullable else utcnow()
    if tenant is None:
        del values["tenant_id"]
    else:
        values["tenant_id"] = tenant
    return values


@every_table
def test_a_select_names_its_tenant(connection: Connection, table: Table) -> None:
    refused(connection, select(table))
    refused(connection, select(func.count()).select_from(table))
    refused(connection, select(table).where(table.c.tenant_id > MINE))
    refused(connection, select(table).where(or_(table.c.tenant_id == MINE, true())))
    refused(connection, select(table).where(table.c.tenant_id == THEIRS))
    assert connection.execute(select(table).where(table.c.tenant_id == MINE)).all() == []


@every_table
def test_an_update_names_its_tenant(connection: Connection, table: Table) -> None:
    column = next(each for each in table.c if each.name != "tenant_id")
    change = update(table).values({column.name: column})
    refused(connection, change)
    refused(connection, change.where(column.is_not(None)))
    refused(connection, change.where(table.c.tenant_id == THEIRS))
    assert connection.execute(change.where(table.c.tenant_id == MINE)).rowcount == 0


@every_table
def test_a_delete_names_its_tenant(connection: Connection, table: Table) -> None:
    refused(connection, delete(table))
    refused(connection, delete(table).where(table.c.tenant_id == THEIRS))
    assert connection.execute(delete(table).where(table.c.tenant_id == MINE)).rowcount == 0


@every_table
def test_an_insert_gives_its_tenant(connection: Connection, table: Table) -> None:
    refused(connection, insert(table), sample(table, None))
    refused(connection, insert(table), sample(table, THEIRS))
    refused(connection, insert(table).values(**sample(table, THEIRS)))
    refused(connection, insert(table), [sample(table, MINE), sample(table, THEIRS)])
    refused(connection, insert(table).values([sample(table, MINE), sample(table, THEIRS)]))
    assert connection.execute(insert(table).values(**sample(table, MINE))).rowcount == 1


@every_table
def test_a_subquery_names_its_tenant_too(connection: Connection, table: Table) -> None:
    inner = select(table.c.tenant_id)
    tied = inner.where(table.c.tenant_id == MINE)
    outer = select(p.id).where(p.tenant_id == MINE)
    for make in (
        lambda query: outer.where(p.id.in_(query)),
        lambda query: outer.where(exists(query)),
        lambda query: select(query.subquery()),
        lambda query: select(query.cte()),
        lambda query: select(query.scalar_subquery()),
        lambda query: union_all(tied, query),
        lambda query: select(literal(1)).where(literal(1).in_(query)),
        lambda query: select(literal(1)).order_by(query.scalar_subquery()),
        lambda query: delete(subscribers).where(p.tenant_id == MINE, p.id.in_(query)),
        lambda query: update(subscribers).where(p.tenant_id == MINE).values(id=query.scalar_subquery()),
        lambda query: insert(lists).values(
            tenant_id=MINE, id=1, name="n", created_at=query.scalar_subquery()
        ),
    ):
        refused(connection, make(inner))
        refused(connection, make(inner.where(table.c.tenant_id == THEIRS)))
    assert connection.execute(outer.where(p.id.in_(tied))).all() == []


def both(condition: Any) -> Any:
    return select(p.id).join_from(subscribers, subscriptions, condition)


mine_p, mine_s = p.tenant_id == MINE, s.tenant_id == MINE
same_person = p.id == s.subscriber_id
other = subscribers.alias("other")
outer_join = select(p.id).outerjoin_from
mine_lists = update(lists).where(l.tenant_id == MINE)

GOOD: dict[str, Callable[[], Any]] = {
    "both sides in where": lambda: both(same_person).where(mine_p, mine_s),
    "one side, the other by equality": lambda: both(same_person & (p.tenant_id == s.tenant_id)).where(mine_s),
    "both in an inner ON": lambda: both(same_person & mine_p & mine_s),
    "a list of tables": lambda: select(p.id, s.list_id).where(mine_p, mine_s, same_person),
    "an outer join's own ON": lambda: outer_join(subscribers, subscriptions, same_person & mine_s).where(
        mine_p
    ),
    "an outer join's ON by equality": lambda: outer_join(
        subscribers, subscriptions, same_person & (s.tenant_id == p.tenant_id)
    ).where(mine_p),
    "an alias": lambda: select(other.c.id).where(other.c.tenant_id == MINE),
    "a correlated exists": lambda: select(p.id).where(mine_p, exists().where(mine_s, same_person)),
    "a correlated exists by equality": lambda: select(p.id).where(
        mine_p, exists().where(s.tenant_id == p.tenant_id, same_person)
    ),
    "a derived table": lambda: select(p.id).join_from(
        subscribers,
        (found := select(subscriptions).where(mine_s).subquery()),
        (found.c.subscriber_id == p.id) & (found.c.tenant_id == p.tenant_id),
    ),
    "a shared table's platform rows": lambda: select(suppressions).where(
        suppressions.c.tenant_id.in_([MINE, 0])
    ),
    "no tenant's table": lambda: select(tenants),
    "insert from select": lambda: insert(lists).from_select(
        ["tenant_id", "id", "name", "created_at"],
        select(literal(MINE), p.id, p.email, p.created_at).where(mine_p),
    ),
    "insert from the tenant's column": lambda: insert(lists).from_select(
        ["tenant_id", "id", "name", "created_at"],
        select(p.tenant_id, p.id, p.email, p.created_at).where(mine_p),
    ),
    "raw text that names it": lambda: text("SELECT id FROM lists WHERE tenant_id = 1"),
}
BAD: dict[str, Callable[[], Any]] = {
    "a join, one side open": lambda: both(same_person).where(mine_p),
    "a join, the other side open": lambda: both(same_person).where(mine_s),
    "equal but nowhere tied": lambda: both(same_person & (p.tenant_id == s.tenant_id)),
    "a list of tables, one open": lambda: select(p.id, s.list_id).where(mine_p, same_person),
    "an outer join's ON ties not the left": lambda: outer_join(
        subscribers, subscriptions, same_person & mine_p & mine_s
    ),
    "an outer join's right does not tie the left": lambda: outer_join(
        subscribers, subscriptions, same_person & mine_s & (s.tenant_id == p.tenant_id)
    ),
    "a full join": lambda: select(p.id).join_from(
        subscribers, subscriptions, same_person & mine_p & mine_s, full=True
    ),
    "the alias of a tied table": lambda: select(other.c.id).where(mine_p, other.c.id == p.id),
    "a negation": lambda: select(p.id).where(~(mine_p)),
    "inside an OR": lambda: select(p.id).where(or_(mine_p, p.id == 1)),
    "an open exists": lambda: select(p.id).where(mine_p, exists().where(same_person)),
    "the same table again inside": lambda: select(p.id).where(mine_p, p.id.in_(select(p.id))),
    "IN on a table that is not shared": lambda: select(lists).where(l.tenant_id.in_([MINE, 0])),
    "IN another tenant": lambda: select(suppressions).where(suppressions.c.tenant_id.in_([MINE, THEIRS])),
    "the tenant's id is no tenant_id": lambda: select(lists).where(l.id == MINE),
    "joined to every tenant": lambda: select(l.id).join_from(lists, tenants, l.tenant_id == tenants.c.id),
    "a row moved to another tenant": lambda: (
        update(lists).where(l.tenant_id == MINE).values(tenant_id=THEIRS)
    ),
    "an update by a further table": lambda: (
        update(lists).where(l.tenant_id == MINE, l.id == s.list_id).values(name="x")
    ),
    "insert from an open select": lambda: insert(lists).from_select(
        ["tenant_id", "id", "name", "created_at"], select(literal(MINE), p.id, p.email, p.created_at)
    ),
    "insert for another tenant": lambda: insert(lists).from_select(
        ["tenant_id", "id", "name", "created_at"],
        select(literal(THEIRS), p.id, p.email, p.created_at).where(mine_p),
    ),
    "insert of what is no tenant": lambda: insert(lists).from_select(
        ["tenant_id", "id", "name", "created_at"], select(p.id, p.id, p.email, p.created_at).where(mine_p)
    ),
    "insert from select without the column": lambda: insert(lists).from_select(
        ["id", "name", "created_at"], select(p.id, p.email, p.created_at).where(mine_p)
    ),
    "raw text without it": lambda: text("SELECT id FROM lists"),
    "above tenants, but bound": lambda: select(lists).execution_options(**ABOVE_TENANTS),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
def test_a_tied_statement_runs(connection: Connection, make: Callable[[], Any]) -> None:
    connection.execute(make())


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_an_open_statement_does_not(connection: Connection, make: Callable[[], Any]) -> None:
    refused(connection, make())


def test_a_cached_statement_is_checked_again_with_its_values(connection: Connection) -> None:
    for _ in range(3):
        connection.execute(select(lists).where(l.tenant_id == MINE))
        refused(connection, select(lists).where(l.tenant_id == THEIRS))
        refused(connection, select(lists))


def test_without_a_tenant_nothing_is_read(engine: Engine) -> None:
    with engine.connect() as unbound:
        refused(unbound, select(lists).where(l.tenant_id == MINE))
        refused(unbound, select(lists).execution_options(**ABOVE_TENANTS))
        assert unbound.execute(select(tenants)).all() == []


def test_the_platform_names_a_tenant_or_says_that_it_stands_above(engine: Engine) -> None:
    with engine.connect() as platform:
        platform.execution_options(**{TENANT: PLATFORM})
        refused(platform, select(lists))
        refused(platform, insert(lists), {"id": 1, "name": "x", "created_at": utcnow()})
        assert platform.execute(select(lists).where(l.tenant_id == THEIRS)).all() == []
        assert platform.execute(select(lists).execution_options(**ABOVE_TENANTS)).all() == []
        platform.rollback()


def test_only_tables_with_platform_rows_are_shared() -> None:
    assert {"suppressions", "transports"} == SHARED
    assert SHARED < OWNED
