"""What is SQLite's own in the ledger: its plans, its locks, its errors; and a walk through every path."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from courierx_core.audience.model import Audience
from courierx_core.delivery.model import moved
from courierx_core.errors import StoreError
from courierx_core.messages.model import Message, Recipient
from courierx_core.ports.driver import Runtime
from courierx_core.ports.ledger import FollowUp, ItemMove, Ledger, Outcome
from courierx_core.ports.store import Store
from courierx_core.suppression.model import Suppression
from courierx_core.testing.store_people import add_people
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import WorkItem
from courierx_sql import claims_sqlite, ledger_sqlite, pragmas, sweeps_sqlite, windows_sqlite
from courierx_sql.sqlite import SqliteStore

EXPIRED = -1.0
"""A lease that has run out already: nobody waits for a clock."""


@pytest.fixture
def ledger(sqlite_store: Store[Any]) -> Iterator[Ledger]:
    made = sqlite_store.ledger()
    yield made
    made.close()


def add(store: Store[Any], tenant: int, *names: str, stream: Any = "broadcast") -> tuple[Message, list[int]]:
    """Make a message to these people; return it and its deliveries' ids."""
    with store.begin(tenant) as unit:
        message = new_message(unit, stream=stream)
        made = unit.deliveries.add(message, [f"{name}@example.com" for name in names])
    return message, [each.id for each in made]


def claim(ledger: Ledger, *, lease: float = 600.0, limit: int = 1, **choice: Any) -> list[WorkItem]:
    return ledger.claim("w", limit=limit, lease_seconds=lease, topics=("send",), **choice)


def counted(store: Store[Any], tenant: int, message: Message) -> dict[str, int]:
    """Return the message's counters, having held them against its rows."""
    with store.begin(tenant, write=False) as unit:
        totals = unit.deliveries.totals(message.id)
        assert totals == unit.deliveries.recount(message.id)
    return totals


# --- plans -----------------------------------------------------------------------------------------


def statements() -> dict[str, str]:
    """Every statement of the hot path by name, complete with what its module fills in."""
    constants = {
        name: value
        for module in (claims_sqlite, windows_sqlite, sweeps_sqlite)
        for name, value in vars(module).items()
        if isinstance(value, str) and value.lstrip()[:6] in ("SELECT", "UPDATE", "WITH R")
    }
    for name in ("_UNRESOLVED", "_LEFT"):
        sql = constants.pop(name)
        constants[f"{name} range"] = sql.format(covered=sweeps_sqlite._RANGE)
        constants[f"{name} list"] = sql.format(covered=sweeps_sqlite._LIST)
    del constants["_WAITING"]  # the beginning of others
    reads = {f"read {key}": sql for key, sql in ledger_sqlite._READ.items()}
    checks = {f"suppressed {key}": sql for key, sql in windows_sqlite._SUPPRESSED.items()}
    return constants | reads | checks


NAMED: dict[str, Any] = dict.fromkeys(
    ("stream", "subject", "tenant", "topic", "limit", "owner", "lease", "turn", "items", "after", "lo", "hi",
     "attempt", "cursor"), 1,
) | {"topics": "[]", "ids": "[]"}  # fmt: skip


@pytest.mark.parametrize("name", statements())
def test_no_statement_scans_a_table(sqlite_store: SqliteStore, name: str) -> None:
    sql = statements()[name]
    values: Any = NAMED if ":" in sql else [1] * sql.count("?")
    connection = sqlite3.connect(sqlite_store.path)
    steps = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    connection.close()
    assert steps
    scanned = [step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
    assert set(scanned) <= {"SCAN waiting", "SCAN j"}, steps  # both of what was chosen or given


# --- turns -----------------------------------------------------------------------------------------


def served(ledger: Ledger, n: int, **choice: Any) -> list[int]:
    return [item.tenant_id for _ in range(n) for item in claim(ledger, **choice)]


def test_transactional_mail_goes_first_and_tenants_take_turns(
    sqlite_store: Store[Any], ledger: Ledger
) -> None:
    one, two = add_tenant(sqlite_store, "one"), add_tenant(sqlite_store, "two")
    for _ in range(3):
        add(sqlite_store, one, "a")
    for _ in range(2):
        add(sqlite_store, two, "a")
    add(sqlite_store, one, "a", stream="transactional")
    assert claim(ledger)[0].stream == "transactional"
    assert served(ledger, 6) == [two, one, two, one, one]


def test_weight_is_a_share(sqlite_store: Store[Any], ledger: Ledger) -> None:
    light, heavy = add_tenant(sqlite_store, "light"), add_tenant(sqlite_store, "heavy", weight=3)
    for _ in range(8):
        add(sqlite_store, light, "a")
        add(sqlite_store, heavy, "a")
    turns = served(ledger, 8)
    assert turns.count(heavy) == 6
    assert turns.count(light) == 2


def test_a_newcomer_and_one_back_from_idling_start_level(sqlite_store: Store[Any], ledger: Ledger) -> None:
    old, back, new = (add_tenant(sqlite_store, name) for name in ("old", "back", "new"))
    add(sqlite_store, back, "a")
    for _ in range(20):
        add(sqlite_store, old, "a")
    assert set(served(ledger, 14)) == {old, back}
    for _ in range(4):
        add(sqlite_store, back, "a")
        add(sqlite_store, new, "a")
    turns = served(ledger, 6)
    assert [turns.count(each) for each in (old, back, new)] == [2, 2, 2]


def test_a_claim_takes_one_tenants_items_oldest_first(sqlite_store: Store[Any], ledger: Ledger) -> None:
    one, two = add_tenant(sqlite_store, "one"), add_tenant(sqlite_store, "two")
    first, _ = add(sqlite_store, one, "a")
    add(sqlite_store, two, "a")
    second, _ = add(sqlite_store, one, "a")
    items = claim(ledger, limit=10)
    assert [item.subject_id for item in items] == [first.id, second.id]
    assert {(item.tenant_id, item.owner, item.state, item.epoch) for item in items} == {
        (one, "w", "leased", 1)
    }
    assert claim(ledger, subject_id=first.id) == []
    assert ledger.claim("w", limit=1, lease_seconds=60, topics=("import",)) == []
    assert ledger.next_due(topics=("send",)) == 0.0
    assert claim(ledger, stream="transactional") == []
    assert [item.tenant_id for item in claim(ledger, limit=10)] == [two]
    assert ledger.next_due(topics=("send",)) is None


# --- leases ----------------------------------------------------------------------------------------


def test_only_live_leases_are_renewed(sqlite_store: Store[Any], ledger: Ledger) -> None:
    tenant = add_tenant(sqlite_store)
    for _ in range(3):
        message, _ = add(sqlite_store, tenant, "a")
    (live,) = claim(ledger)
    claim(ledger, lease=EXPIRED)
    (held,) = claim(ledger)
    with sqlite_store.begin(tenant) as unit:
        unit.work.hold(message.id)
    assert ledger.renew("w", lease_seconds=600) == {live.id}
    assert ledger.renew("x", lease_seconds=600) == frozenset()
    with sqlite_store.begin(tenant) as unit:
        assert unit.work.get(held.id).owner == "w"


def test_what_a_dead_worker_had_under_way_is_uncertain(sqlite_store: Store[Any], ledger: Ledger) -> None:
    tenant = add_tenant(sqlite_store)
    message, (a, b, c) = add(sqlite_store, tenant, "a", "b", "c")
    (item,) = claim(ledger, lease=EXPIRED)
    ledger.window(tenant, [ItemMove(item.id, 1, b, item.counts)], (), [a, b])
    done = [Outcome(a, item.id, message.id, "accepted", 1, tries=1)]
    ledger.window(tenant, [ItemMove(item.id, 1, b, moved(item.counts, "queued", "accepted"))], done)
    (swept,) = ledger.sweep()
    assert (swept.item_id, swept.topic, swept.subject_id, swept.uncertain) == (item.id, "send", message.id, 1)
    assert ledger.sweep() == []
    assert counted(sqlite_store, tenant, message) == {"accepted": 1, "uncertain": 1, "queued": 1}
    assert ledger.window(tenant, [ItemMove(item.id, 1, c, {})], (), [c]).held_on == frozenset()
    late = [Outcome(b, item.id, message.id, "accepted", 1, tries=1, provider_id="p")]
    ledger.window(tenant, [], late)
    assert counted(sqlite_store, tenant, message) == {"accepted": 2, "queued": 1}
    (again,) = claim(ledger)
    assert (again.id, again.epoch, again.cursor) == (item.id, 3, b)
    assert [each.id for each in ledger.read(again, after=again.cursor, limit=9)] == [c]


def test_an_exhausted_item_is_done_and_a_held_one_stays(sqlite_store: Store[Any], ledger: Ledger) -> None:
    tenant = add_tenant(sqlite_store)
    one, (a,) = add(sqlite_store, tenant, "a")
    two, _ = add(sqlite_store, tenant, "b")
    first, second = claim(ledger, limit=2, lease=EXPIRED)
    ledger.window(tenant, [ItemMove(first.id, 1, a, first.counts)], (), [a])
    with sqlite_store.begin(tenant) as unit:
        unit.work.hold(two.id)
    assert {each.item_id for each in ledger.sweep()} == {first.id, second.id}
    with sqlite_store.begin(tenant) as unit:
        assert unit.work.get(first.id).state == "done"
        held = unit.work.get(second.id)
        assert (held.state, held.owner, held.lease_until, held.epoch) == ("held", "", None, 2)
        assert unit.work.unhold(two.id) == 1
        assert unit.work.get(second.id).state == "ready"
        assert unit.messages.complete(one.id)


# --- windows ---------------------------------------------------------------------------------------


def test_retries_wait_their_time_and_a_pause_holds_them(sqlite_store: Store[Any], ledger: Ledger) -> None:
    tenant = add_tenant(sqlite_store)
    message, (a, b) = add(sqlite_store, tenant, "a", "b")
    (item,) = claim(ledger)
    ledger.window(tenant, [ItemMove(item.id, 1, b, item.counts)], (), [a, b])

    def deferred(number: int) -> tuple[list[Outcome], list[FollowUp]]:
        outcome = Outcome(number, item.id, message.id, "deferred", 1, tries=1, status="4.2.1", stage="data")
        return [outcome], [FollowUp(message.id, "broadcast", (number, number + 1000), 2, 600)]

    counts = moved(item.counts, "queued", "deferred")
    ledger.window(tenant, [ItemMove(item.id, 1, b, counts)], *((lambda o, r: (o, (), r))(*deferred(a))))
    wait = ledger.next_due(topics=("send",))
    assert wait is not None
    assert 500 < wait <= 600
    with sqlite_store.begin(tenant) as unit:
        unit.work.hold(message.id)
    outcomes, retries = deferred(b)
    left = ItemMove(item.id, 1, b, moved(counts, "queued", "deferred"), "done")
    assert ledger.window(tenant, [left], outcomes, (), retries).held_on == frozenset()
    assert ledger.next_due(topics=("send",)) is None
    assert counted(sqlite_store, tenant, message) == {"deferred": 2}
    with sqlite_store.begin(tenant) as unit:
        kept = unit.work.get(item.id)
        assert (kept.state, kept.owner, kept.lease_until) == ("held", "", None)
        assert unit.work.unhold(message.id) == 3


def test_a_repeated_window_changes_nothing(sqlite_store: Store[Any], ledger: Ledger) -> None:
    tenant = add_tenant(sqlite_store)
    message, ids = add(sqlite_store, tenant, "a", "b", "c")
    (item,) = claim(ledger)
    ledger.window(tenant, [ItemMove(item.id, 1, ids[-1], item.counts)], (), ids)
    outcomes = [
        Outcome(ids[0], item.id, message.id, "accepted", 1, tries=1),
        Outcome(ids[1], item.id, message.id, "deferred", 1, tries=1),
        Outcome(ids[2], item.id, message.id, "uncertain", 1, tries=1, stage="answer"),
    ]
    counts: Mapping[str, int] = item.counts
    for each in outcomes:
        counts = moved(counts, "queued", each.state)
    retry = FollowUp(message.id, "broadcast", (ids[1],), 2, 0)
    for _ in range(3):
        answer = ledger.window(tenant, [ItemMove(item.id, 1, ids[2], counts)], outcomes, (), [retry])
        assert answer.held_on == {item.id}
        assert counted(sqlite_store, tenant, message) == {"accepted": 1, "deferred": 1, "uncertain": 1}
    with sqlite_store.begin(tenant) as unit:
        assert unit.work.open_items(message.id) == 2
        assert unit.deliveries.get(ids[1]).tries == 1


def test_evidence_that_came_first_stays(sqlite_store: SqliteStore, ledger: Ledger) -> None:
    tenant = add_tenant(sqlite_store)
    message, (a, b) = add(sqlite_store, tenant, "a", "b")
    (item,) = claim(ledger)
    ledger.window(tenant, [ItemMove(item.id, 1, b, item.counts)], (), [a, b])
    with sqlite3.connect(sqlite_store.path) as report:  # what a feedback use case does: it counts its move
        report.execute(
            "UPDATE deliveries SET state = 'delivered' WHERE tenant_id = ? AND id = ?", (tenant, a)
        )
        report.executemany(
            "INSERT INTO message_counters VALUES (?, ?, ?, ?)",
            [(tenant, message.id, "queued", -1), (tenant, message.id, "delivered", 1)],
        )
    report.close()
    outcomes = [Outcome(each, item.id, message.id, "accepted", 1, tries=1) for each in (a, b)]
    counts = moved(item.counts, "queued", "accepted", 2)
    for _ in range(2):
        ledger.window(tenant, [ItemMove(item.id, 1, b, counts)], outcomes)
        assert counted(sqlite_store, tenant, message) == {"delivered": 1, "accepted": 1}


def test_intents_are_checked_against_suppressions_once_more(sqlite_store: Store[Any], ledger: Ledger) -> None:
    tenant = add_tenant(sqlite_store)
    names = ("fine", "own", "platform", "left", "gone", "asked")
    with sqlite_store.begin(tenant) as unit:
        people = add_people(unit, *(f"{name}@example.com" for name in names))
        for stream in ("broadcast", "transactional"):
            message = new_message(unit, stream=stream)
            unit.deliveries.add(message, [f"{name}@example.com" for name in names], subscriber_ids=people)
    items = {item.stream: item for _ in range(2) for item in claim(ledger)}
    rows = {each: ledger.read(items[each], after=items[each].cursor, limit=9) for each in items}
    assert all(not row.suppressed for each in rows.values() for row in each)
    with sqlite_store.begin(0) as platform:
        platform.suppressions.add(Suppression(tenant_id=0, address="platform@example.com", cause="complaint"))
    with sqlite_store.begin(tenant) as unit:
        for address, cause in (("own", "manual"), ("asked", "unsubscribe")):
            unit.suppressions.add(
                Suppression(tenant_id=tenant, address=f"{address}@example.com", cause=cause)  # type: ignore[arg-type]
            )
        left = unit.subscribers.get(people[3])
        unit.subscribers.save(msgspec.structs.replace(left, status="unsubscribed"))
        unit.subscribers.remove(people[4])
    expected = {
        "broadcast": {
            "own": "manual", "platform": "complaint", "left": "unsubscribe", "gone": "deleted",
            "asked": "unsubscribe",
        },
        "transactional": {"own": "manual", "platform": "complaint"},
    }  # fmt: skip
    for stream, item in items.items():
        by_id = {row.id: row.address.partition("@")[0] for row in rows[stream]}
        answer = ledger.window(
            tenant, [ItemMove(item.id, 1, max(by_id), item.counts)], (), list(by_id), stream=stream
        )
        assert {by_id[number]: cause for number, cause in answer.suppressed.items()} == expected[stream]
        read = {row.id: row.suppressed for row in ledger.read(item, after=0, limit=9) if row.suppressed}
        assert read == answer.suppressed


def test_attempts_are_kept_of_what_was_tried_in_vain(sqlite_store: SqliteStore, ledger: Ledger) -> None:
    tenant = add_tenant(sqlite_store)
    message, ids = add(sqlite_store, tenant, "a", "b", "c")
    (item,) = claim(ledger)
    outcomes = [
        Outcome(ids[0], item.id, message.id, "accepted", 1, tries=1, reply="250"),
        Outcome(
            ids[1], item.id, message.id, "bounced", 1, tries=1, status="5.1.1", reply="550", stage="data"
        ),
        Outcome(ids[2], item.id, message.id, "blocked", 1, reason="plugin"),
    ]
    ledger.window(tenant, [ItemMove(item.id, 1, ids[-1], {})], outcomes)
    with sqlite_store.begin(tenant) as unit:
        accepted, bounced, blocked = (unit.deliveries.get(each) for each in ids)
        assert accepted.sent_at is not None
        assert (bounced.state, bounced.status, bounced.reply, bounced.sent_at) == (
            "bounced",
            "5.1.1",
            "550",
            None,
        )
        assert (blocked.reason, blocked.tries) == ("plugin", 0)
    rows = sqlite3.connect(sqlite_store.path)
    assert rows.execute("SELECT delivery_id, attempt, state, stage FROM attempts").fetchall() == [
        (ids[1], 1, "bounced", "data")
    ]
    rows.close()


# --- outages ---------------------------------------------------------------------------------------


def test_a_full_disk_writes_nothing_and_says_so(sqlite_store: Store[Any]) -> None:
    tenant = add_tenant(sqlite_store)
    message, ids = add(sqlite_store, tenant, *(f"{n:03}" for n in range(200)))
    ledger = sqlite_store.ledger()
    assert isinstance(ledger, ledger_sqlite.SqliteLedger)
    (item,) = claim(ledger)
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    outcomes = [
        Outcome(each, item.id, message.id, "bounced", 1, tries=1, reply="x" * 500, stage="data")
        for each in ids
    ]
    counts = moved(item.counts, "queued", "bounced", len(ids))
    move = ItemMove(item.id, 1, ids[-1], counts, "done")
    with pytest.raises(StoreError, match="full"):
        ledger.window(tenant, [move], outcomes)
    assert counted(sqlite_store, tenant, message) == {"queued": 200}
    ledger._connection.execute("PRAGMA max_page_count = 1000000")
    assert ledger.window(tenant, [move], outcomes).held_on == {item.id}
    assert counted(sqlite_store, tenant, message) == {"bounced": 200}
    ledger.close()


def test_a_lock_that_is_never_let_go_is_an_outage(
    sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = add_tenant(sqlite_store)
    add(sqlite_store, tenant, "a")
    sqlite_store.close()
    monkeypatch.setattr(pragmas, "BUSY_SECONDS", 0.05)
    ledger = sqlite_store.ledger()
    other = sqlite3.connect(sqlite_store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        claim(ledger)
    with pytest.raises(StoreError, match="locked"), sqlite_store.begin(tenant):
        raise AssertionError("the unit must not open")
    with sqlite_store.begin(tenant, write=False) as unit:
        assert unit.tenant.id == tenant
    other.execute("ROLLBACK")
    other.close()
    assert len(claim(ledger)) == 1
    ledger.close()


def test_a_missing_folder_and_a_missing_schema_are_explained(tmp_path: Path) -> None:
    nowhere = SqliteStore("sqlite", SqliteStore.Config(url=f"sqlite:///{tmp_path}/no/x.db"), Runtime())
    with pytest.raises(StoreError, match="folder"):
        nowhere.ledger()
    with pytest.raises(StoreError, match="folder"), nowhere.platform():
        raise AssertionError("the unit must not open")
    empty = SqliteStore("sqlite", SqliteStore.Config(url=f"sqlite:///{tmp_path}/x.db"), Runtime())
    with pytest.raises(StoreError, match="courierx db upgrade"), empty.platform() as unit:
        unit.tenants.list()
    empty.close()


WRITER = """
import sys
from courierx_core.audience.model import NewSubscriber
from courierx_core.ports.driver import Runtime
from courierx_sql.sqlite import SqliteStore
store = SqliteStore("sqlite", SqliteStore.Config(url=sys.argv[1]), Runtime())
print("ready", flush=True)
for n in range(int(sys.argv[2])):
    with store.begin(1) as unit:  # reads first, then writes: a deferred transaction would go stale here
        before = unit.subscribers.list(limit=1)
        unit.subscribers.import_rows([NewSubscriber(f"{sys.argv[3]}-{n}-{k}@example.com") for k in range(20)])
        unit.audit.add("import", str(n), {"before": len(before)}, actor="test")
store.close()
"""


def test_processes_that_write_at_once_only_wait(sqlite_store: SqliteStore) -> None:
    tenant = add_tenant(sqlite_store)
    assert tenant == 1
    message, ids = add(sqlite_store, tenant, *(f"{n:03}" for n in range(300)))
    command = [sys.executable, "-c", WRITER, f"sqlite:///{sqlite_store.path}", "60"]
    writers = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in ("api", "cli")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    ledger = sqlite_store.ledger()
    (item,) = claim(ledger)
    counts = item.counts
    for number in ids:
        counts = moved(counts, "queued", "accepted")
        outcome = Outcome(number, item.id, message.id, "accepted", 1, tries=1)
        assert ledger.window(tenant, [ItemMove(item.id, 1, number, counts)], [outcome], [number]).held_on
        ledger.renew("w", lease_seconds=600)
    ledger.close()
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert (writer.returncode, errors) == (0, "")
    assert counted(sqlite_store, tenant, message) == {"accepted": 300}
    with sqlite_store.begin(tenant, write=False) as unit:
        assert unit.subscribers.count(Audience()) == 2 * 60 * 20


# --- every path at once ----------------------------------------------------------------------------


ANSWERS = ["accepted", "deferred", "put back", "bounced", "uncertain"]


_NUMBERS = count()


class Worker:
    """What a worker keeps in memory: one item, its counts, and what is under way."""

    def __init__(self, store: Store[Any]) -> None:
        self.ledger = store.ledger()
        self.item: WorkItem | None = None
        self.cursor = 0
        self.counts: Mapping[str, int] = {}
        self.under_way: dict[int, tuple[WorkItem, Recipient]] = {}

    def forget(self) -> None:
        self.item = None
        self.under_way.clear()


class Walk:
    """Two workers, pauses, deaths, sweeps, re-sends, late and repeated answers, in any order; at the end
    perhaps a cancel.

    After each step the counters equal the rows and every delivery is in one state; at no time is a
    delivery handed over that may have been delivered already, unless somebody asked for it.
    """

    PEOPLE = 5

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.tenant = add_tenant(store, f"walk {next(_NUMBERS)}")
        with store.begin(self.tenant) as unit:
            self.message = new_message(unit)
            for half in ("ab", "cde"):
                unit.deliveries.add(self.message, [f"{name}@example.com" for name in half])
        self.workers = [Worker(self.store), Worker(self.store)]
        self.perhaps_sent: set[int] = set()

    def close(self) -> None:
        for worker in self.workers:
            worker.ledger.close()

    def works(self, at: int, more: int, answers: list[Any], twice: bool) -> None:
        """Claim if idle, then turn the window once: some answers, some new intents, perhaps repeated."""
        worker = self.workers[at]
        if worker.item is None:
            for item in claim(worker.ledger, subject_id=self.message.id):
                worker.item, worker.cursor, worker.counts = item, item.cursor, item.counts
        outcomes, retries = self.answer(worker, answers)
        item = worker.item
        rows = worker.ledger.read(item, after=worker.cursor, limit=more) if item and more else []
        moves = []
        if item is not None:
            cursor = rows[-1].id if rows else worker.cursor
            idle = more > 0 and not rows and not worker.under_way
            moves = [ItemMove(item.id, item.epoch, cursor, worker.counts, "done" if idle else "leased")]
        for _ in range(2 if twice else 1):
            answer = worker.ledger.window(self.tenant, moves, outcomes, [row.id for row in rows], retries)
        if item is None or item.id not in answer.held_on:
            worker.item = None
            return
        for row in rows:
            assert row.id not in self.perhaps_sent, "handed over again"
            self.perhaps_sent.add(row.id)
            worker.under_way[row.id] = item, row
        worker.cursor = moves[0].cursor
        if moves[0].state == "done":
            worker.item = None

    def answer(self, worker: Worker, answers: list[str]) -> tuple[list[Outcome], list[FollowUp]]:
        """Turn what the far side said of the oldest under way into outcomes, and count them."""
        outcomes, retries = [], []
        for (number, (of, row)), said in zip(list(worker.under_way.items()), answers, strict=False):
            del worker.under_way[number]
            state: Any = row.state if said == "put back" else said
            outcomes.append(
                Outcome(
                    number,
                    of.id,
                    self.message.id,
                    state,
                    of.attempt,
                    before=row.state,
                    tries=said != "put back",
                )
            )
            if said in ("deferred", "put back"):
                retries.append(FollowUp(self.message.id, "broadcast", (number,), of.attempt + 1, 0.0))
            if said in ("deferred", "put back", "bounced"):
                self.perhaps_sent.discard(number)
            if worker.item is not None and (of.id, of.epoch) == (worker.item.id, worker.item.epoch):
                worker.counts = moved(worker.counts, row.state, state)
        return outcomes, retries

    def leases_run_out(self, at: int, dies: bool) -> None:
        """A worker dies, or sleeps and knows nothing of it; the sweep takes every lease."""
        if dies:
            self.workers[at].forget()
        with sqlite3.connect(self.store.path) as connection:
            connection.execute("UPDATE work SET lease_until = 1 WHERE lease_until IS NOT NULL")
        connection.close()
        self.workers[at].ledger.sweep()

    def is_paused(self, resumed: bool) -> None:
        with self.store.begin(self.tenant) as unit:
            unit.work.hold(self.message.id)
        if resumed:
            self.resumes()

    def resumes(self) -> None:
        with self.store.begin(self.tenant) as unit:
            unit.work.unhold(self.message.id)

    def uncertain_ones_are_sent_again(self) -> None:
        with self.store.begin(self.tenant) as unit:
            lost = [each.id for each in unit.deliveries.list(state="uncertain")]
            assert list(unit.deliveries.requeue(self.message.id, lost)) == sorted(lost)
        self.perhaps_sent -= set(lost)

    def every_delivery_is_counted_in_one_state(self) -> None:
        assert sum(counted(self.store, self.tenant, self.message).values()) == self.PEOPLE

    def run_out(self, *, cancel: bool) -> None:
        """All die; then one healthy worker finishes, or the message is cancelled. Nobody is left open."""
        for at in (0, 1):
            self.leases_run_out(at, True)
        if cancel:
            with self.store.begin(self.tenant) as unit:
                unit.deliveries.cancel_open(self.message.id)
        self.resumes()
        worker = self.workers[0]
        for _ in range(200):
            self.works(0, 3, ["accepted"] * 3, False)
            if worker.item is None and not self.open_items():
                break
        totals = counted(self.store, self.tenant, self.message)
        assert not totals.keys() & {"queued", "deferred"}
        with self.store.begin(self.tenant) as unit:
            assert unit.messages.complete(self.message.id)

    def open_items(self) -> int:
        with self.store.begin(self.tenant, write=False) as unit:
            return unit.work.open_items(self.message.id)


WORKS = st.tuples(
    st.just(Walk.works),
    st.sampled_from([0, 1]),
    st.sampled_from([3, 2, 1, 0]),
    st.lists(st.sampled_from(ANSWERS), max_size=3),
    st.booleans(),
)
STEPS = st.one_of(
    WORKS,
    WORKS,
    st.tuples(st.just(Walk.leases_run_out), st.sampled_from([0, 1]), st.booleans()),
    st.tuples(st.just(Walk.is_paused), st.booleans()),
    st.tuples(st.just(Walk.resumes)),
    st.tuples(st.just(Walk.uncertain_ones_are_sent_again)),
)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    """One store for all walks: each has a tenant of its own."""
    path = tmp_path_factory.mktemp("walks") / "courierx.db"
    store = SqliteStore("sqlite", SqliteStore.Config(url=f"sqlite:///{path}"), Runtime())
    store.upgrade()
    yield store
    store.close()


@settings(max_examples=40)
@given(steps=st.lists(STEPS, min_size=15, max_size=30), cancel=st.booleans())
def test_every_path_leads_each_delivery_to_one_state(
    walked: SqliteStore, steps: list[tuple[Any, ...]], cancel: bool
) -> None:
    walk = Walk(walked)
    try:
        for step, *arguments in steps:
            step(walk, *arguments)
            walk.every_delivery_is_counted_in_one_state()
        walk.run_out(cancel=cancel)
    finally:
        walk.close()
