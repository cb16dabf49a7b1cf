"""What is the PostgreSQL ledger's own: its arrays, its plans, its lost connections, its races."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.audience.model import Audience, NewSubscriber
from courierx_core.config import load
from courierx_core.errors import ConfigError, StoreError
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.ledger import ItemMove, Outcome, Retry
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import SEND_ITEM_MAX, WorkItem
from courierx_sql import ledger_statements as sql
from courierx_sql.arrays import int8s, register, texts
from courierx_sql.ledger_postgresql import PostgresLedger
from courierx_sql.postgresql import PostgresStore, conninfo
from tests.servers import APP, Postgres, free_port


@pytest.fixture
def ledger(postgresql_store: PostgresStore) -> Iterator[PostgresLedger]:
    ledger = postgresql_store.ledger()
    assert isinstance(ledger, PostgresLedger)
    yield ledger
    ledger.close()


def sending(store: PostgresStore, people: int) -> tuple[int, int]:
    """Start a message to so many; return its tenant and id."""
    tenant = add_tenant(store)
    with store.begin(tenant) as unit:
        unit.subscribers.import_rows([NewSubscriber(f"{n}@example.com") for n in range(people)])
        message = new_message(unit)
        unit.deliveries.snapshot(message, Audience(), after=0, limit=50_000)
    return tenant, message.id


def claim(ledger: PostgresLedger) -> WorkItem:
    (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("send",))
    return item


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres.url(), cursor_factory=psycopg.RawCursor) as connection:
        register(connection)
        yield connection


@given(numbers=st.lists(st.integers(-(2**63), 2**63 - 1)), words=st.lists(st.text()))
def test_arrays_arrive_as_they_were(
    connection: psycopg.Connection[Any], numbers: list[int], words: list[str]
) -> None:
    row = connection.execute("SELECT $1::int8[], $2::text[]", (int8s(numbers), texts(words))).fetchone()
    taken = [word.encode(errors="replace").decode().replace("\0", "?") for word in words]
    assert row == (numbers, taken)


def test_arrays_of_one_value_arrive_too(connection: psycopg.Connection[Any]) -> None:
    values = (texts(["ä"] * 3), texts(["\0\ud800"]))
    assert connection.execute("SELECT $1::text[], $2::text[]", values).fetchone() == (["ä"] * 3, ["??"])


def test_a_reply_of_any_bytes_is_kept(postgresql_store: PostgresStore, ledger: PostgresLedger) -> None:
    tenant, message = sending(postgresql_store, 1)
    item = claim(ledger)
    (row,) = ledger.read(item, after=item.cursor, limit=1)
    said = Outcome(
        row.id, item.id, message, "bounced", 1, tries=1, stage="data", reply="550 \0 \udcff 'é\"\\{}"
    )
    move = ItemMove(item.id, item.epoch, row.id, {"queued": -1, "bounced": 1})
    ledger.window(tenant, [move], [said])
    with postgresql_store.begin(tenant) as unit:
        assert unit.deliveries.get(row.id).reply == "550 ? ? 'é\"\\{}"


@pytest.mark.parametrize("empty", [True, False])
def test_plans_reach_every_row_by_its_whole_key(
    postgresql_store: PostgresStore, ledger: PostgresLedger, empty: bool
) -> None:
    """A plan is pinned at its first use, perhaps on tables that are still empty."""
    tenant, message = sending(postgresql_store, 0 if empty else 2_000)
    outcome = Outcome(1, 1, message, "deferred", 1, tries=1)
    one, word = int8s([1]), texts(["send"])
    moves = (one, one, one, texts(["{}"]), texts(["leased"]), [0.0])
    outcomes = [
        int8s([value]) if isinstance(value, int) else texts([value])
        for value in msgspec.structs.astuple(outcome)
    ]
    window = (tenant, *moves, *outcomes, one, "broadcast")
    retries = (one, texts(["broadcast"]), texts(["{1}"]), int8s([2]), [0.0])
    plans = {
        "window": explain(ledger, sql.WINDOW, window),
        "retries": explain(ledger, sql.WINDOW_WITH_RETRIES, (*window, *retries)),
        "range": explain(ledger, sql.READ_RANGE, (tenant, 0, 9, 1, "broadcast", 9)),
        "list": explain(ledger, sql.READ_LIST, (tenant, 0, one, 1, "broadcast", 9)),
        "claim": explain(ledger, sql.CLAIM, ("w", texts(["broadcast"]), word, None, 1, 60.0)),
        "renew": explain(ledger, sql.RENEW, ("w", 60.0)),
        "expired": explain(ledger, sql.EXPIRED, (9,)),
        "next due": explain(ledger, sql.NEXT_DUE, (texts(["broadcast"]), word)),
    }
    if not empty:  # its plan is not pinned
        plans["sweep"] = explain(ledger, sql.SWEEP, (tenant, 1))
    for name, plan in plans.items():
        assert "subscriber_id_key" not in plan, f"{name}\n{plan}"
        assert "Seq Scan" not in plan, f"{name}\n{plan}"
        for index, condition in re.findall(r"using (\w+) on .*\n\s+Index Cond: (.*)", plan):
            columns = {"deliveries_pkey": "id", "subscribers_pkey": "id", "suppressions_address": "address"}
            if index in columns:
                assert f"({columns[index]} " in condition, f"{name}\n{plan}"
    assert "using deliveries_pkey" in plans["window"]
    assert "using suppressions_address" in plans["range"]
    assert "using work_ready" in plans["claim"]
    assert "using work_leases" in plans["expired"]


def explain(ledger: PostgresLedger, statement: str, values: Any) -> str:
    """Plan as the pinned plan is planned: without knowing a value."""
    connection = ledger._connected()
    with connection.transaction():
        connection.execute("SELECT set_config('courierx.tenant', '1', true)")
        rows = connection.execute(f"EXPLAIN (COSTS OFF) {statement}".encode(), values).fetchall()
    return "\n".join(row[0] for row in rows)


def test_a_lost_connection_costs_one_call(
    postgres: Postgres, migrated: str, postgresql_store: PostgresStore, ledger: PostgresLedger
) -> None:
    tenant, message = sending(postgresql_store, 3)
    item = claim(ledger)
    rows = ledger.read(item, after=item.cursor, limit=3)
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{migrated}'"
        " AND pid <> pg_backend_pid()"
    )
    intend = [ItemMove(item.id, item.epoch, rows[-1].id, {})]
    ids = [row.id for row in rows]
    with pytest.raises(StoreError, match="PostgreSQL"):
        ledger.window(tenant, intend, (), ids)
    assert ledger.window(tenant, intend, (), ids).held_on == {item.id}
    with postgresql_store.begin(tenant) as unit:
        assert unit.deliveries.recount(message) == {"queued": 3}


def test_a_broken_statement_leaves_nothing_behind(
    postgresql_store: PostgresStore, ledger: PostgresLedger
) -> None:
    tenant, _ = sending(postgresql_store, 2)
    item = claim(ledger)
    move = ItemMove(item.id, item.epoch, 2**63 - 1, {})
    with pytest.raises(StoreError):
        ledger.window(tenant, [move], [Outcome(1, item.id, 1, "accepted", 2**40)])
    assert ledger.read(item, after=item.cursor, limit=9) != []
    with postgresql_store.begin(tenant) as unit:
        assert unit.work.get(item.id).cursor == item.cursor


def test_no_server_is_a_store_error_without_the_password(postgres: Postgres) -> None:
    url = f"postgresql://someone:s3cret@127.0.0.1:{free_port()}/courierx"
    store = PostgresStore("postgresql", PostgresStore.Config(url=Secret(url)), Runtime())
    calls: list[Any] = [
        lambda: store.begin(1).__enter__(),
        lambda: store.platform().__enter__(),
        lambda: store.ledger().next_due(topics=("send",)),
        store.upgrade,
    ]
    for call in calls:
        with pytest.raises(StoreError, match="PostgreSQL") as caught:
            call()
        assert "s3cret" not in str(caught.value)
    (problem,) = store.check()
    assert (problem.level, problem.code) == ("error", "database_unreachable")
    assert "s3cret" not in str(problem)
    store.close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_form_of_the_url_is_taken(scheme: str) -> None:
    url = f"{scheme}://u:p@h:5433/d?sslmode=require"
    assert conninfo(Secret(url)) == "postgresql://u:p@h:5433/d?sslmode=require"
    config = load(PostgresStore.Config, table={}, environ={"DATABASE_URL": url}, where="[store]")
    assert config.url.reveal() == url


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/d", "postgresql://u:s3cret@h/d?nonsense=1", "s3cret"])
def test_another_url_is_a_config_error_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL") as caught:
        load(PostgresStore.Config, table={}, environ={"DATABASE_URL": url}, where="[store]")
    assert "s3cret" not in str(caught.value)


def test_a_pause_catches_the_retry_of_a_window_under_way(
    postgres: Postgres, migrated: str, postgresql_store: PostgresStore, ledger: PostgresLedger
) -> None:
    tenant, message = sending(postgresql_store, 2)
    item = claim(ledger)
    held: list[int] = []

    def pause() -> None:
        with postgresql_store.begin(tenant) as unit:
            held.append(unit.work.hold(message))

    # a window that is slow to commit: it has moved the item and added a retry
    with psycopg.connect(postgres.url(migrated, APP)) as slow:
        slow.execute("SELECT set_config('courierx.tenant', %s, true)", (str(tenant),))
        slow.execute(
            "UPDATE work SET cursor = cursor + 1 WHERE tenant_id = %s AND id = %s", (tenant, item.id)
        )
        slow.execute(
            "INSERT INTO work (tenant_id, id, stream, topic, subject_id, lo, hi, ids, attempt, due_at, state,"
            " counts) VALUES (%s, courierx_reserve('work', 1), 'broadcast', 'send', %s, 1, 1, '{1}', 2,"
            " now(), 'ready', '{}')",
            (tenant, message),
        )
        thread = threading.Thread(target=pause)
        thread.start()
        wait_for_a_lock(postgres, migrated)
        assert held == []
        slow.commit()
    thread.join(30)
    assert held == [2]
    assert ledger.next_due(topics=("send",)) is None


def wait_for_a_lock(postgres: Postgres, database: str) -> None:
    deadline = time.monotonic() + 30
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        while time.monotonic() < deadline:
            waiting = connection.execute(
                "SELECT FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'", (database,)
            )
            if waiting.rowcount:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


def test_blocks_of_ids_never_overlap_nor_wait_for_a_commit(postgresql_store: PostgresStore) -> None:
    sizes = (1, 7, 1, 500, 3)
    taken: list[int] = []

    def reserve(times: int) -> None:
        with postgresql_store.engine.begin() as connection:
            for n in sizes * times:
                first = postgresql_store.sets.reserve(connection, "deliveries", n)
                taken.extend(range(first, first + n))

    with postgresql_store.engine.begin() as open_one:
        first = postgresql_store.sets.reserve(open_one, "deliveries", 5)
        threads = [threading.Thread(target=reserve, args=(20,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(taken) == len(set(taken)) == 4 * 20 * sum(sizes)
        assert min(taken) == first + 5
    with (
        pytest.raises(Exception, match="cannot reserve 0 ids"),
        postgresql_store.engine.begin() as connection,
    ):
        postgresql_store.sets.reserve(connection, "deliveries", 0)


def test_a_large_retry_is_cut_into_items(postgresql_store: PostgresStore, ledger: PostgresLedger) -> None:
    tenant, message = sending(postgresql_store, SEND_ITEM_MAX + 10)
    outcomes, moves = [], []
    for _ in range(2):
        item = claim(ledger)
        ids = [row.id for row in ledger.read(item, after=item.cursor, limit=1000)]
        outcomes += [Outcome(each, item.id, message, "deferred", 1, tries=1) for each in ids]
        counts = {"queued": -len(ids), "deferred": len(ids)}
        moves.append(ItemMove(item.id, item.epoch, ids[-1], counts, "done"))
    ids = [each.id for each in outcomes]
    ledger.window(tenant, moves, outcomes, (), [Retry(message, "broadcast", tuple(ids), 2, 0.0)])
    again = ledger.claim("w", limit=9, lease_seconds=60, topics=("send",))
    assert sorted(len(each.ids or ()) for each in again) == [10, SEND_ITEM_MAX]
    assert sorted(number for each in again for number in each.ids or ()) == ids
