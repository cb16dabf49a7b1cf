"""What is the PostgreSQL ledger's own: its arrays, its plans, its lost connections, its races."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.audience.model import Audience, NewSubscriber
from courierx_core.config import load
from courierx_core.errors import ConfigError, StoreError
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.ledger import FollowUp, ItemMove, Outcome
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import SEND_ITEM_MAX, WorkItem
from courierx_sql import ledger_statements as sql
from courierx_sql.arrays import float8s, int8s, texts
from courierx_sql.ledger_postgresql import PostgresLedger
from courierx_sql.postgresql import PostgresStore, conninfo
from courierx_sql.prepared import Prepared
from tests.ports import free_port
from tests.servers import APP, Postgres


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
def prepared(postgres: Postgres) -> Iterator[Prepared]:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        yield Prepared(connection)


@given(
    numbers=st.lists(st.integers(-(2**63), 2**63 - 1)),
    words=st.lists(st.text()),
    parts=st.lists(st.floats(allow_nan=False)),
)
def test_arrays_arrive_as_they_were(
    prepared: Prepared, numbers: list[int], words: list[str], parts: list[float]
) -> None:
    values = int8s(numbers), texts(words), float8s(parts)
    [row] = prepared.run("SELECT $1::int8[], $2::text[], $3::float8[]", values)
    taken = [word.encode(errors="replace").decode().replace("\0", "?") for word in words]
    assert row == (numbers, taken, parts)


def test_arrays_of_one_value_arrive_too(prepared: Prepared) -> None:
    values = (texts(["ä"] * 3), texts(["\0\ud800"]))
    assert prepared.run("SELECT $1::text[], $2::text[]", values) == [(["ä"] * 3, ["??"])]


def test_plain_values_arrive_too(prepared: Prepared) -> None:
    assert prepared.run("SELECT $1::int8, $2::text, $3::float8, $4::int8", (-5, "ä", 2.5, None)) == [
        (-5, "ä", 2.5, None)
    ]


def test_a_connection_sees_what_it_is_bound_to_last(prepared: Prepared) -> None:
    bound = "SELECT current_setting('courierx.tenant'), current_setting('courierx.platform')"
    for tenant_id, seen in ((7, ("7", "")), (None, ("", "on")), (8, ("8", "")), (8, ("8", ""))):
        prepared.bind(tenant_id)
        assert prepared.run(bound, ()) == [seen]


@pytest.mark.parametrize(
    ("set_to", "is_then"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")]
)
def test_a_ledger_waits_for_the_disk_where_the_server_does_not(
    postgres: Postgres, set_to: str, is_then: str
) -> None:
    url = postgres.url()
    ledger = PostgresLedger(
        lambda: psycopg.connect(url, autocommit=True, options=f"-c synchronous_commit={set_to}"), str
    )
    assert ledger._connected().run("SHOW synchronous_commit", ()) == [(is_then,)]
    ledger.close()


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


PINNED = (
    "WINDOW", "WINDOW_WITH_FOLLOW_UPS", "USUAL_WINDOW", "USUAL_WINDOW_WITH_ATTEMPTS",
    "USUAL_WINDOW_WITH_FOLLOW_UPS", "READ_RANGE", "READ_LIST", "CLAIM", "NEXT_DUE", "RENEW", "EXPIRED",
)  # fmt: skip
RARELY_RUN = {"moved_later", "settled", "resolved"}
"""Parts of a window that are not run at all where nothing was overtaken."""


@pytest.mark.parametrize("people", [0, 100, 5_000])
@pytest.mark.parametrize("analysed", [True, False])
def test_a_pinned_plan_serves_tables_of_any_size(
    postgres: Postgres,
    migrated: str,
    postgresql_store: PostgresStore,
    ledger: PostgresLedger,
    people: int,
    analysed: bool,
) -> None:
    """It is made at its first use, when the tables may be empty and nobody has counted them, and stays."""
    sending(postgresql_store, people)
    if analysed:
        postgres.execute("ANALYZE", database=migrated)
    for name in PINNED:
        plan = pinned_plan(ledger, getattr(sql, name))
        assert "Seq Scan" not in plan, f"{name}\n{plan}"
        for part, index, condition in index_scans(plan):
            if part not in RARELY_RUN and index in ("work_pkey", "work_subject", "deliveries_pkey"):
                assert re.search(r"\bid\b", condition), f"{name}: {part}\n{plan}"
            assert "subscriber_id_key" not in index, f"{name}\n{plan}"
            if index.startswith("subscribers"):
                assert re.search(r"\bid\b", condition), f"{name}: {part}\n{plan}"
            if index == "suppressions_address":
                assert "(address >=" in condition, f"{name}: {part}\n{plan}"
    assert "Tid Scan on deliveries" in pinned_plan(ledger, sql.WINDOW)
    assert "Tid Scan on deliveries" in pinned_plan(ledger, sql.USUAL_WINDOW)
    assert "using deliveries_pkey" in pinned_plan(ledger, sql.READ_RANGE)


def pinned_plan(ledger: PostgresLedger, statement: str) -> str:
    """Plan without knowing a value, as the ledger's connection does."""
    connection = ledger._connected().connection
    values = ",".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
    with connection.transaction(force_rollback=True):
        connection.execute(f"PREPARE pinned AS {statement}".encode())
        rows = connection.execute(f"EXPLAIN (COSTS OFF) EXECUTE pinned({values})".encode()).fetchall()
        connection.execute(b"DEALLOCATE pinned")
    return "\n".join(row[0] for row in rows)


def index_scans(plan: str) -> Iterator[tuple[str, str, str]]:
    """Give (the WITH part it is in, index, condition) of every index scan."""
    part = ""
    lines = plan.splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if found := re.match(r"\s*CTE (\w+)$", line):
            part = found[1]
        elif line.startswith("  ->"):
            part = "the query itself"
        if found := re.search(r"Index (?:Only )?Scan using (\w+)", line):
            yield part, found[1], below if "Index Cond:" in below else "none"


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


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ("lease_until = lease_until + interval '1 minute'", True),
        ("state = 'held'", False),
        ("epoch = epoch + 1", False),
    ],
)
def test_a_window_that_waits_goes_by_what_it_finds_then(
    postgres: Postgres,
    migrated: str,
    postgresql_store: PostgresStore,
    ledger: PostgresLedger,
    change: str,
    holds: bool,
) -> None:
    """Its item is renewed, paused or taken over, and evidence of a delivery comes, after it has begun."""
    tenant, message = sending(postgresql_store, 2)
    item = claim(ledger)
    a, b = (row.id for row in ledger.read(item, after=item.cursor, limit=9))
    outcomes = [Outcome(each, item.id, message, "accepted", 1, tries=1) for each in (a, b)]
    move = ItemMove(item.id, item.epoch, b, {"queued": -2, "accepted": 2})
    answers: list[frozenset[int]] = []
    with psycopg.connect(postgres.url(migrated, APP)) as other:
        other.execute("SELECT set_config('courierx.tenant', %s, true)", (str(tenant),))
        other.execute(f"UPDATE work SET {change} WHERE tenant_id = {tenant}".encode())
        other.execute(f"UPDATE deliveries SET state = 'delivered' WHERE id = {b}".encode())
        other.execute(
            "INSERT INTO message_counters VALUES (%(tenant)s, %(message)s, 'queued', -1),"
            " (%(tenant)s, %(message)s, 'delivered', 1)",
            {"tenant": tenant, "message": message},
        )
        thread = threading.Thread(
            target=lambda: answers.append(ledger.window(tenant, [move], outcomes).held_on)
        )
        thread.start()
        wait_for_a_lock(postgres, migrated)
        other.commit()
    thread.join(30)
    assert answers == [frozenset({item.id} if holds else ())]
    with postgresql_store.begin(tenant) as unit:
        assert unit.deliveries.recount(message) == {"accepted": 1, "delivered": 1}
        # that two were queued is counted by the snapshot's item, which there is none of here
        assert unit.deliveries.totals(message) == {"accepted": 1, "delivered": 1, "queued": -2}
        assert unit.work.get(item.id).cursor == (b if holds else item.cursor)


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


def test_a_deferral_is_nothing_unusual(postgresql_store: PostgresStore, ledger: PostgresLedger) -> None:
    """It costs what it adds, 0.1 ms, not the setting up of all that hardly ever happens."""
    _, message = sending(postgresql_store, 3)
    item = claim(ledger)
    first, second, _ = (row.id for row in ledger.read(item, after=item.cursor, limit=9))
    said = [
        Outcome(first, item.id, message, "deferred", 1, tries=1, status="4.2.2"),
        Outcome(second, item.id, message, "accepted", 1, tries=1),
    ]
    move = ItemMove(item.id, item.epoch, second, {"queued": -2, "deferred": 1, "accepted": 1})
    ledger.window(item.tenant_id, [move], said, (), [FollowUp(message, "broadcast", (first,), 2, 0.0)])
    (again,) = ledger.claim("w", limit=9, lease_seconds=60, topics=("send",))
    assert (again.ids, again.attempt) == ((first,), 2)
    prepared = ledger._connected()._names
    assert sql.USUAL_WINDOW_WITH_FOLLOW_UPS in prepared
    assert sql.WINDOW_WITH_FOLLOW_UPS not in prepared


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
    ledger.window(tenant, moves, outcomes, (), [FollowUp(message, "broadcast", tuple(ids), 2, 0.0)])
    again = ledger.claim("w", limit=9, lease_seconds=60, topics=("send",))
    assert sorted(len(each.ids or ()) for each in again) == [10, SEND_ITEM_MAX]
    assert sorted(number for each in again for number in each.ids or ()) == ids
