"""The set statements of both stores, against the row-by-row shapes that they replace.

Every round runs each pair next to each other. Ours go through the store as it is deployed (the app's role,
row-level security, suppressions checked twice); the others are plain tables without any of it. After each
round the counters are held against the rows.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from courierx_core.audience.model import Audience, NewSubscriber
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.ledger import ItemMove, Ledger, Outcome
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import SEND_ITEM_MAX, WorkItem
from courierx_sql.postgresql import PostgresStore
from courierx_sql.sqlite import SqliteStore
from tests.benchmarks.clock import Clock
from tests.benchmarks.figures import Figures, Unbalanced, medians
from tests.benchmarks.plain_store import measure_plain
from tests.servers import APP, TEMPLATE, PostgresServer

WINDOW = 100
RATIOS = {
    "import": ("import", "import_by_orm"),
    "snapshot": ("snapshot", "snapshot_foreign_keys"),
    "claim": ("claim", "claim_skip_locked"),
    "claim_and_read": ("claim_and_read", "claim_skip_locked"),
    "record": ("record", "record_commit_per_row"),
}


def compare(number: int, rounds: int, server: PostgresServer) -> dict[str, Figures]:
    """Measure both stores with so many people; return medians, and what ours is times the plain shape."""
    people = [NewSubscriber(f"{n}@example.com", f"Name {n}", attributes={"n": n}) for n in range(number)]
    postgresql, sqlite = list[Figures](), list[Figures]()
    for _ in range(rounds):
        postgresql.append(on_postgresql(server, people))
        sqlite.append(on_sqlite(people))
    ratios = [
        {name: each[ours] / each[plain] for name, (ours, plain) in RATIOS.items()} for each in postgresql
    ]
    return {
        "postgresql": medians(postgresql),
        "sqlite": medians(sqlite),
        "postgresql_x_plain": medians(ratios),
    }


def on_postgresql(server: PostgresServer, people: list[NewSubscriber]) -> Figures:
    with server.database(template=TEMPLATE) as name:
        config = PostgresStore.Config(url=Secret(server.url(name, APP)))
        store = PostgresStore("postgresql", config, Runtime())
        rates = measure(store, people)
        store.close()
        return rates | measure_plain(server.url(name), people)


def on_sqlite(people: list[NewSubscriber]) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(
            "sqlite", SqliteStore.Config(url=f"sqlite:///{folder}/bench.db"), Runtime(folder=Path(folder))
        )
        store.upgrade()
        rates = measure(store, people)
        store.close()
        return rates


def measure(store: Store[Any], people: list[NewSubscriber]) -> Figures:
    """Import and snapshot them, record half of them in whole items, send the other half through windows."""
    clock, n = Clock(), len(people)
    tenant = add_tenant(store)
    import_people(store, tenant, people, clock)
    half = send_message(store, tenant, clock, at_once=n // 2)
    return {
        "import": clock.rate(n, "import"),
        "snapshot": clock.rate(n, "snapshot"),
        "claim": clock.rate(n, "claim"),
        "claim_and_read": clock.rate(n, "claim", "read"),
        "record": clock.rate(half, "record"),
        "send": clock.rate(n - half, "window"),
        "window_ms": statistics.median(clock.wall["window"]) * 1e3,
        "window_cpu_us_per_row": clock.cpu["window"] / (n - half) * 1e6,
        "read_cpu_us_per_row": clock.cpu["read"] / n * 1e6,
    }


def import_people(store: Store[Any], tenant: int, people: list[NewSubscriber], clock: Clock) -> None:
    for at in range(0, len(people), 10_000):
        with store.begin(tenant) as unit:
            rows = people[at : at + 10_000]
            clock.run("import", lambda: unit.subscribers.import_rows(rows))  # noqa: B023


def send_message(store: Store[Any], tenant: int, clock: Clock, *, at_once: int = 0) -> int:
    """Send a message to everybody, the first `at_once` in whole items; return how many those were.

    Raises Unbalanced when the rows or the counters have less than everybody.
    """
    with store.begin(tenant) as unit:
        message, n = new_message(unit), unit.subscribers.count(Audience())
    after, more = 0, True
    while more:
        with store.begin(tenant) as unit:
            step = clock.run(
                "snapshot",
                lambda: unit.deliveries.snapshot(message, Audience(), after=after, limit=50_000),  # noqa: B023
            )
        after, more = step.cursor, step.more
    ledger = store.ledger()
    try:
        recorded = record(ledger, clock, at_once)
        send(ledger, clock)
    finally:
        ledger.close()
    with store.begin(tenant) as unit:
        states, totals = unit.deliveries.recount(message.id), unit.deliveries.totals(message.id)
    if (states, totals) != ({"accepted": n}, {"accepted": n, "queued": -n}):
        raise Unbalanced(f"of {n} people the rows have {dict(states)}, the counters {dict(totals)}")
    return recorded


def claim(ledger: Ledger, clock: Clock) -> tuple[WorkItem, list[int]] | None:
    items = clock.run("claim", lambda: ledger.claim("bench", limit=1, lease_seconds=600, topics=("send",)))
    if not items:
        return None
    item = items[0]
    rows = clock.run("read", lambda: ledger.read(item, after=item.cursor, limit=SEND_ITEM_MAX))
    return item, [row.id for row in rows]


def record(ledger: Ledger, clock: Clock, people: int) -> int:
    """Record answers, an item at a time, until so many people have theirs; return how many do."""
    recorded = 0
    while recorded < people and (claimed := claim(ledger, clock)):
        item, ids = claimed
        outcomes = [answer(item, each) for each in ids]
        counts = {"queued": -len(ids), "accepted": len(ids)}
        move = ItemMove(item.id, item.epoch, ids[-1], counts, "done")
        clock.run("record", lambda: ledger.window(item.tenant_id, [move], outcomes))  # noqa: B023
        recorded += len(ids)
    return recorded


def send(ledger: Ledger, clock: Clock) -> None:
    """Turn windows as a sender does: the last answers and the next intents in one transaction."""
    while claimed := claim(ledger, clock):
        item, ids = claimed
        outcomes, accepted = list[Outcome](), 0
        for at in range(0, len(ids) + WINDOW, WINDOW):
            intents = ids[at : at + WINDOW]
            accepted += len(outcomes)
            counts = {"queued": -accepted, "accepted": accepted}
            cursor = intents[-1] if intents else ids[-1]
            move = ItemMove(item.id, item.epoch, cursor, counts, "leased" if intents else "done")
            clock.run("window", lambda: ledger.window(item.tenant_id, [move], outcomes, intents))  # noqa: B023
            outcomes = [answer(item, each) for each in intents]


def answer(item: WorkItem, number: int) -> Outcome:
    return Outcome(
        number, item.id, item.subject_id, "accepted", item.attempt, tries=1, provider_id=f"{number:x}",
        status="2.0.0", reply=f"250 2.0.0 Ok: queued as {number:X}", stage="answer", transport="smtp",
    )  # fmt: skip
