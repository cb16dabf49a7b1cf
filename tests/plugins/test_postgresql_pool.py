"""The pool: few round trips, and no connection handed out that the server has closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from courierx_core.access.service import authenticate, create_key
from courierx_core.audience.model import Subscriber
from courierx_core.audit import ACT, Act
from courierx_core.errors import StoreError
from courierx_core.ports.driver import Runtime, Secret, utcnow
from courierx_core.testing.store_samples import add_tenant
from courierx_sql import pool_postgresql
from courierx_sql.postgresql import PostgresStore
from tests.servers import APP, Postgres


@pytest.fixture
def store(postgres: Postgres, migrated: str) -> Iterator[PostgresStore]:
    config = PostgresStore.Config(url=Secret(postgres.url(migrated, APP)))
    store = PostgresStore("postgresql", config, Runtime())
    yield store
    store.close()


def end_all(postgres: Postgres, database: str) -> None:
    """Close every connection from the server's side, and wait until they are gone."""
    postgres.execute(
        f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{database}'"
        " AND pid <> pg_backend_pid()"
    )


def test_closed_connections_are_replaced_before_a_unit_sees_them(
    store: PostgresStore, postgres: Postgres, migrated: str
) -> None:
    with store.platform(), store.platform(), store.platform():
        pass
    end_all(postgres, migrated)
    for _ in range(3):
        with store.platform(write=False) as unit:
            assert unit.tenants.list() == []


def test_a_connection_long_unused_is_asked(
    store: PostgresStore, postgres: Postgres, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_postgresql, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(pool_postgresql, "_told_something", lambda driver: False)
    with store.platform():
        pass
    end_all(postgres, migrated)
    with store.platform(write=False) as unit:
        assert unit.tenants.list() == []


def test_a_connection_that_ends_within_a_unit_is_an_outage(
    store: PostgresStore, postgres: Postgres, migrated: str
) -> None:
    with pytest.raises(StoreError, match="worth trying again"), store.platform() as unit:  # noqa: PT012
        end_all(postgres, migrated)
        unit.tenants.list()
    with store.platform() as unit:
        assert unit.tenants.list() == []


def test_a_person_is_added_in_two_statements_of_its_unit(store: PostgresStore) -> None:
    """Whoever adds one to a request's path sees it here: sign-in takes one, and a unit's begin and commit;
    neither asks SQLAlchemy."""
    tenant = add_tenant(store)
    key = create_key(store, tenant_id=tenant)[1]
    authenticate(store, key, utcnow())
    ran: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *args: ran.append(args[2].split()[0]))
    authenticate(store, key, utcnow())
    assert ran == []
    token = ACT.set(Act("key 1", "POST /subscribers", "/subscribers", {}))
    try:
        with store.begin(tenant) as unit:
            unit.subscribers.add(Subscriber(tenant_id=tenant, email="a@x.example"))
    finally:
        ACT.reset(token)
    assert ran == ["INSERT", "INSERT"]


def test_only_a_steady_or_reading_unit_sees_one_moment(store: PostgresStore) -> None:
    shown = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"

    def kind(**how: Any) -> tuple[Any, ...]:
        with store.platform(**how) as unit:
            return tuple(unit._connection.exec_driver_sql(shown).one())  # type: ignore[attr-defined]

    assert kind() == ("read committed", "off")
    assert kind(steady=True) == ("repeatable read", "off")
    assert kind(write=False) == ("repeatable read", "on")
    assert kind() == ("read committed", "off")
