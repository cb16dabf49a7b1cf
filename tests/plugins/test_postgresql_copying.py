"""A database moves from SQLite to PostgreSQL, and back, as it is; and sends from one of them at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DataError

from courierx_core.access.model import ApiKey
from courierx_core.audience.model import NewSubscriber
from courierx_core.errors import Conflict, StoreError
from courierx_core.feedback.model import Event
from courierx_core.ports.driver import Runtime, utcnow
from courierx_core.ports.platform import DISOWNED, Installation
from courierx_core.suppression.model import PLATFORM_WIDE, Suppression
from courierx_core.testing.store_deliveries import claim, finish
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.upkeep import service
from courierx_sql.base import SqlStore
from courierx_sql.columns import metadata
from courierx_sql.copying import NOT_COPIED
from courierx_sql.postgresql import PostgresStore
from courierx_sql.sqlite import SqliteStore

Fresh = Callable[[str], SqliteStore]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Fresh]:
    made = []

    def make(name: str) -> SqliteStore:
        config = SqliteStore.Config(url=f"sqlite:///{tmp_path}/{name}.db")
        made.append(SqliteStore("sqlite", config, Runtime(folder=tmp_path)))
        return made[-1]

    yield make
    for store in made:
        store.close()


def fill(store: SqlStore[Any]) -> int:
    """Put something of every sort of row in: of two tenants, of the platform, open, closed, in a list."""
    first, second = add_tenant(store, "one"), add_tenant(store, "two")
    for tenant in (first, second):
        with store.begin(tenant) as unit:
            people = [
                NewSubscriber(f"{n}@example.com", "Zoë", "", {"n": n, "at": [None, 1.5]}) for n in range(5)
            ]
            unit.subscribers.import_rows(people, update=False)
            message = new_message(unit)
            rows = unit.deliveries.add(message, [f"{n}@example.com" for n in range(5)])
            heard = Event(
                tenant_id=tenant, at=utcnow(), kind="opened", message_id=message.id, delivery_id=rows[0].id,
                recipient="0@example.com", source="t", event_key="1",
            )  # fmt: skip
            unit.events.add([heard])
            unit.keys.add(ApiKey(tenant_id=tenant, name="key", scopes=("events:read",), digest=b"\0\xff"))
    ledger = store.ledger()
    item = next(item for item in claim(ledger) if item.tenant_id == first)
    failed = finish(ledger, item, "failed", reason="expired")
    ledger.close()
    with store.begin(first) as unit:
        assert unit.deliveries.requeue(item.subject_id, failed[:2])
    with store.begin(PLATFORM_WIDE) as unit:
        unit.suppressions.add(Suppression(tenant_id=PLATFORM_WIDE, address="no@example.com"))
    with store.platform() as platform:
        platform.keys.add(ApiKey(tenant_id=None, name="root", scopes=("platform",), digest=b"\1"))
        platform.transports.pause("smtp", "suspended")
        platform.save_installation(Installation(environment="production"))
    return first


def everything(store: SqlStore[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Read every row there is, tenant by tenant, as the database lets nobody read them otherwise."""
    found = {}
    with store.above_tenants(write=False) as connection:
        with store.platform(write=False) as platform:
            everyone = [None, PLATFORM_WIDE, *(each.id for each in platform.tenants.list())]
        for table in metadata.tables.values():
            if table.name in NOT_COPIED:
                continue
            rows = []
            for tenant in everyone if "tenant_id" in table.c else [None]:
                store.sets.bind_platform(connection) if tenant is None else store.sets.bind_tenant(
                    connection, tenant
                )
                mine = select(table)
                if "tenant_id" in table.c:
                    mine = mine.where(table.c.tenant_id == tenant)
                rows += [tuple(row) for row in connection.execute(mine.order_by(*table.primary_key.columns))]
            found[table.name] = rows
    return found


def test_everything_moves_there_and_back(postgresql_store: PostgresStore, fresh: Fresh) -> None:
    source, back = fresh("source"), fresh("back")
    source.upgrade()
    tenant = fill(source)
    counted = dict(service.move(source, postgresql_store))
    assert counted["deliveries"] == 10
    assert counted["suppressions"] == counted["transports"] == 1
    assert everything(postgresql_store) == everything(source)
    assert all(broken == [] for _, broken in service.check(postgresql_store))
    with postgresql_store.platform(write=False) as platform:
        assert platform.installation().heartbeat_at == DISOWNED
    with postgresql_store.begin(tenant) as unit:
        added = unit.subscribers.import_rows([NewSubscriber("new@example.com")], update=False)
        assert added.imported == 1
        assert unit.deliveries.add(new_message(unit), ["new@example.com"])
    dict(service.move(postgresql_store, back))
    assert everything(back) == everything(postgresql_store)
    with back.begin(tenant) as unit:
        assert unit.deliveries.add(new_message(unit), ["new@example.com"])


def test_a_database_with_anything_in_it_is_not_copied_into(fresh: Fresh) -> None:
    source, target = fresh("source"), fresh("target")
    source.upgrade()
    fill(source)
    dict(service.move(source, target))
    with pytest.raises(Conflict, match="not empty, it has tenants"):
        dict(service.move(source, target))


def test_nobody_works_on_what_is_copied(fresh: Fresh) -> None:
    source = fresh("source")
    source.upgrade()
    with source.platform() as platform:
        platform.beat("alive")
    with pytest.raises(Conflict, match="1 workers live"):
        dict(service.move(source, fresh("target")))


def test_a_copy_that_fails_leaves_nothing(postgresql_store: PostgresStore, fresh: Fresh) -> None:
    source = fresh("source")
    source.upgrade()
    fill(source)
    with source.above_tenants(write=True) as connection:
        events = metadata.tables["events"]
        row = dict(connection.execute(select(events).limit(1)).mappings().one())
        # text that SQLite keeps and PostgreSQL refuses, in a table that comes after some others
        connection.execute(insert(events), {**row, "id": row["id"] + 1000, "recipient": "a\0b"})
    with pytest.raises(DataError, match=r"NUL \(0x00\)"):
        dict(service.move(source, postgresql_store))
    assert not any(everything(postgresql_store).values())


def test_both_sides_have_the_same_schema(fresh: Fresh) -> None:
    source, target = fresh("source"), fresh("target")
    source.upgrade()
    with pytest.raises(StoreError, match="db upgrade"):
        dict(target.copy_from(source))
