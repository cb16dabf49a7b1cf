"""PostgreSQL's own fence between tenants (SECURITY: T05), table by table, without the store's help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Boolean, Column, Double, Integer, LargeBinary, Text, create_engine, insert

from courierx_core.ports.driver import Runtime, Secret
from courierx_sql.columns import Utc, metadata
from courierx_sql.postgresql import PostgresStore
from courierx_sql.tables import OWNED
from tests.servers import APP, OWNER, TEMPLATE, Postgres

MINE, THEIRS = 1, 2
TABLES = sorted(OWNED)
OPEN_TO_PLATFORM = {"api_keys", "work", "turns", "transports", "feedback_endpoints"}


@pytest.fixture(scope="module")
def filled(postgres: Postgres) -> Iterator[str]:
    """A database with one row of each of two tenants, and of tenant 0, in every table."""
    with postgres.database(template=TEMPLATE) as name:
        engine = create_engine(postgres.url(name))
        with engine.begin() as connection:
            for number, tenant in enumerate((0, MINE, THEIRS), 1):
                for table in metadata.tables.values():
                    if table.name in ("installation", "workers", "counters", "tallies", "old_links"):
                        continue
                    row = {column.name: _value(column, number) for column in table.columns}
                    key = "tenant_id" if "tenant_id" in row else "id"
                    connection.execute(insert(table).values({**row, key: tenant}))
        engine.dispose()
        yield name


@pytest.fixture(params=[APP, OWNER])
def role(request: pytest.FixtureRequest) -> str:
    """The app's role, and the one that owns the tables: FORCE binds it as well."""
    return str(request.param)


@contextmanager
def transaction(postgres: Postgres, database: str, role: str, **bound: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url(database, role)) as connection:
        for name, value in bound.items():
            connection.execute("SELECT set_config(%s, %s, true)", (f"courierx.{name}", value))
        yield connection
        connection.rollback()


def tenants_seen(connection: psycopg.Connection, table: str) -> list[int]:
    rows = connection.execute(f"SELECT tenant_id FROM {table} ORDER BY tenant_id".encode()).fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize("table", TABLES)
def test_without_a_tenant_nothing_is_there(postgres: Postgres, filled: str, role: str, table: str) -> None:
    with transaction(postgres, filled, role) as connection:
        assert tenants_seen(connection, table) == []
        assert connection.execute(f"DELETE FROM {table}".encode()).rowcount == 0
    with psycopg.connect(postgres.url(filled)) as superuser:
        assert tenants_seen(superuser, table) == [0, MINE, THEIRS]


@pytest.mark.parametrize("table", TABLES)
def test_a_tenant_sees_and_changes_its_own(postgres: Postgres, filled: str, role: str, table: str) -> None:
    with transaction(postgres, filled, role, tenant=str(MINE)) as connection:
        shared = [0] if table == "suppressions" else []
        assert tenants_seen(connection, table) == [*shared, MINE]
        assert connection.execute(f"DELETE FROM {table}".encode()).rowcount == 1
        assert tenants_seen(connection, table) == shared


@pytest.mark.parametrize("table", TABLES)
def test_no_row_can_be_put_in_anothers_hands(postgres: Postgres, filled: str, role: str, table: str) -> None:
    why = "permission denied" if (table, role) == ("audit", APP) else "row-level security"
    for other in (0, THEIRS):
        bound = transaction(postgres, filled, role, tenant=str(MINE))
        with bound as connection, pytest.raises(InsufficientPrivilege, match=why):
            connection.execute(f"UPDATE {table} SET tenant_id = {other}".encode())


@pytest.mark.parametrize("table", TABLES)
def test_the_platform_sees_a_closed_list(postgres: Postgres, filled: str, role: str, table: str) -> None:
    with transaction(postgres, filled, role, platform="on") as connection:
        expected = [0, MINE, THEIRS] if table in OPEN_TO_PLATFORM else []
        assert tenants_seen(connection, table) == expected


def test_every_table_of_a_tenant_is_secured_by_force(postgres: Postgres, filled: str) -> None:
    with psycopg.connect(postgres.url(filled)) as superuser:
        rows = superuser.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND NOT relispartition"
        )
        assert {row[0] for row in rows} == OWNED
        loose = superuser.execute("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
                                  " AND NOT (relrowsecurity AND relforcerowsecurity)")  # fmt: skip
        assert loose.fetchall() == []


def test_a_binding_ends_with_its_transaction(postgres: Postgres, filled: str) -> None:
    with psycopg.connect(postgres.url(filled, APP)) as connection:
        connection.execute("SELECT set_config('courierx.tenant', '1', true),"
                           " set_config('courierx.platform', 'on', true)")  # fmt: skip
        assert tenants_seen(connection, "work") == [0, MINE, THEIRS]
        assert tenants_seen(connection, "lists") == [MINE]
        connection.commit()
        assert tenants_seen(connection, "work") == tenants_seen(connection, "lists") == []


def test_a_partition_cannot_be_read_past_its_table(postgres: Postgres, filled: str) -> None:
    bound = transaction(postgres, filled, APP, tenant=str(MINE))
    with bound as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("SELECT FROM events_rest")
    with transaction(postgres, filled, OWNER, tenant=str(MINE)) as connection:
        for (name,) in connection.execute("SELECT inhrelid::regclass::text FROM pg_inherits"
                                          " WHERE inhparent = 'events'::regclass").fetchall():  # fmt: skip
            assert tenants_seen(connection, name) == []


def test_a_look_up_opens_nothing_else(postgres: Postgres, filled: str) -> None:
    with transaction(postgres, filled, APP, platform="on") as connection:
        found = connection.execute(
            "SELECT courierx_owner_of('lists', 3), courierx_owner_of('lists', 4)"
        ).fetchone()
        assert found == (THEIRS, None)
        assert tenants_seen(connection, "lists") == []
    with transaction(postgres, filled, APP, lookup="on") as connection:
        assert tenants_seen(connection, "lists") == []
        with pytest.raises(psycopg.errors.RaiseException, match="nothing looks up"):
            connection.execute("SELECT courierx_owner_of('api_keys', 1)")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET action = 'x'",
        "ALTER TABLE lists DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE lists NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON lists",
        "TRUNCATE lists",
        "CREATE TABLE own (id int)",
    ],
)
def test_what_the_apps_role_may_not(postgres: Postgres, filled: str, statement: str) -> None:
    bound = transaction(postgres, filled, APP, tenant=str(MINE))
    with bound as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement.encode())


def test_events_get_their_months(postgres: Postgres, filled: str) -> None:
    with transaction(postgres, filled, APP, tenant=str(MINE)) as connection:
        assert connection.execute("SELECT courierx_add_month('1999-12-31'), courierx_add_month('1999-12-01')"
                                  ).fetchone() == (True, True)  # fmt: skip
        connection.execute(
            "INSERT INTO events SELECT tenant_id, 77, '1999-12-31 23:59:59.999999+00', kind, message_id,"
            " delivery_id, recipient, source, event_key, machine, detail FROM events"
        )
        where = connection.execute("SELECT tableoid::regclass::text FROM events WHERE id = 77").fetchone()
        assert where == ("events_1999_12",)
        # the filled row's month lies in the default partition already, and stays there
        assert connection.execute("SELECT courierx_add_month('2001-01-15')").fetchone() == (False,)


@pytest.mark.parametrize(
    ("user", "app_role", "codes"),
    [
        (APP, "courierx_app", []),
        (OWNER, "courierx_app", []),
        (None, "courierx_app", []),
        (OWNER, "", ["one_database_role"]),
        (None, "", ["row_security_bypassed"]),
    ],
)
def test_check_says_what_is_missing(
    postgres: Postgres, filled: str, user: str | None, app_role: str, codes: list[str]
) -> None:
    config = PostgresStore.Config(url=Secret(postgres.url(filled, user)), app_role=app_role)
    store = PostgresStore("postgresql", config, Runtime())
    try:
        assert [problem.code for problem in store.check()] == codes
        with store.engine.begin() as connection:
            rows = connection.exec_driver_sql("SELECT count(*) FROM lists").scalar_one()
            assert (rows == 0) == (codes != ["row_security_bypassed"])
    finally:
        store.close()


def _value(column: Column[Any], number: int) -> Any:
    """Make any value that fits; `number` keeps keys apart."""
    kind = column.type
    if isinstance(kind, Utc):
        return datetime(2001, 1, number, tzinfo=timezone.utc)
    for sort, value in ((Boolean, False), (Double, float(number)), (Text, f"x{number}"), (LargeBinary, b"x")):
        if isinstance(kind, sort):
            return value
    if column.name == "ids":
        return [number]
    return number if isinstance(kind, Integer) else {}
