"""The set statements of both stores, against the row-by-row shapes that they replace.

`python tests/benchmarks/ledger.py --people 50000` prints one JSON object: rates of both stores, and for a
durable PostgreSQL the ratios to the plain shapes. Every round runs each pair next to each other; rates are
medians of the rounds, ratios are taken within a round. Ours go through the store as it is deployed (the
app's role, row-level security, suppressions checked twice); the others are plain tables without any of it.
After each round the counters are held against the rows: a benchmark that loses somebody fails.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import BigInteger, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from courierx_core.audience.model import Audience, NewSubscriber
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.ledger import ItemMove, Ledger, Outcome
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import SEND_ITEM_MAX, WorkItem
from courierx_sql.postgresql import PostgresStore
from courierx_sql.sqlite import SqliteStore
from tests.servers import APP, TEMPLATE, PostgresServer, private_postgres

WINDOW = 100
RATIOS = {
    "import": ("import", "import_by_orm"),
    "snapshot": ("snapshot", "snapshot_foreign_keys"),
    "claim": ("claim", "claim_skip_locked"),
    "claim_and_read": ("claim_and_read", "claim_skip_locked"),
    "record": ("record", "record_commit_per_row"),
}
Rates = dict[str, float]


class Clock:
    """Adds up the wall and CPU time of what it runs, by name."""

    def __init__(self) -> None:
        self.wall: defaultdict[str, list[float]] = defaultdict(list)
        self.cpu: defaultdict[str, float] = defaultdict(float)

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        done = work()
        self.wall[name].append(time.perf_counter() - wall)
        self.cpu[name] += time.process_time() - cpu
        return done

    def rate(self, n: int, *names: str) -> float:
        return n / sum(sum(self.wall[name]) for name in names)


def measure(store: Store[Any], people: list[NewSubscriber]) -> Rates:
    """Import, snapshot, record half of them in whole items, send the other half through windows."""
    clock, n = Clock(), len(people)
    tenant = add_tenant(store)
    for at in range(0, n, 10_000):
        with store.begin(tenant) as unit:
            rows = people[at : at + 10_000]
            clock.run("import", lambda: unit.subscribers.import_rows(rows))  # noqa: B023
    with store.begin(tenant) as unit:
        message = new_message(unit)
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
        half = record(ledger, clock, n // 2)
        send(ledger, clock)
    finally:
        ledger.close()
    with store.begin(tenant) as unit:
        assert unit.deliveries.recount(message.id) == {"accepted": n}
        assert unit.deliveries.totals(message.id) == {"accepted": n, "queued": -n}
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


PLAIN = """
CREATE TABLE plain_people (id bigserial PRIMARY KEY, tenant_id bigint NOT NULL, email text NOT NULL,
    first_name text NOT NULL, attributes jsonb NOT NULL, UNIQUE (tenant_id, email));
CREATE TABLE plain_messages (id bigint PRIMARY KEY);
CREATE TABLE plain_deliveries (id bigserial PRIMARY KEY, state text NOT NULL, address text NOT NULL,
    message_id bigint NOT NULL REFERENCES plain_messages, person_id bigint NOT NULL REFERENCES plain_people,
    reply text, UNIQUE (message_id, person_id));
CREATE INDEX ON plain_deliveries (state);
INSERT INTO plain_messages VALUES (1);
"""
SNAPSHOT = """
INSERT INTO plain_deliveries (state, address, message_id, person_id)
SELECT 'queued', email, 1, id FROM plain_people ORDER BY id
"""
SKIP_LOCKED = """
UPDATE plain_deliveries SET state = 'sending' WHERE id IN (
    SELECT id FROM plain_deliveries WHERE state = 'queued' ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED)
RETURNING id, address
"""


def measure_plain(url: str, people: list[NewSubscriber]) -> Rates:
    """Do the same the usual way, with as few people as give a rate."""
    clock, n = Clock(), len(people)
    few, some = people[: min(2_000, n)], min(10_000, n)
    with psycopg.connect(url, autocommit=True) as plain:
        plain.execute(PLAIN)
        clock.run("import", lambda: import_by_orm(url, few))
        plain.execute(
            "INSERT INTO plain_people (tenant_id, email, first_name, attributes)"
            " SELECT tenant_id, email, first_name, attributes FROM subscribers ON CONFLICT DO NOTHING"
        )
        clock.run("snapshot", lambda: plain.execute(SNAPSHOT))
        for _ in range(0, some, 500):
            clock.run("claim", lambda: plain.execute(SKIP_LOCKED).fetchall())
        for number in range(1, 1_001):
            clock.run(
                "record",
                lambda: plain.execute(
                    "UPDATE plain_deliveries SET state = 'accepted', reply = %s WHERE id = %s",
                    ("250 2.0.0 Ok: queued as 4F6X", number),  # noqa: B023
                ),
            )
    return {
        "import_by_orm": clock.rate(len(few), "import"),
        "snapshot_foreign_keys": clock.rate(n, "snapshot"),
        "claim_skip_locked": clock.rate(some, "claim"),
        "record_commit_per_row": clock.rate(1_000, "record"),
    }


def import_by_orm(url: str, people: list[NewSubscriber]) -> None:
    """Add person by person, as a request handler would; one commit."""

    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "plain_people"
        id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
        tenant_id: Mapped[int] = mapped_column(BigInteger)
        email: Mapped[str]
        first_name: Mapped[str]
        attributes: Mapped[Any] = mapped_column(JSONB)

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with Session(engine) as session:
        for each in people:
            session.add(
                Person(
                    tenant_id=1,
                    email=each.email,
                    first_name=each.first_name,
                    attributes=dict(each.attributes),
                )
            )
            session.flush()
        session.commit()
    engine.dispose()


def postgresql_round(server: PostgresServer, people: list[NewSubscriber]) -> Rates:
    with server.database(template=TEMPLATE) as name:
        config = PostgresStore.Config(url=Secret(server.url(name, APP)))
        store = PostgresStore("postgresql", config, Runtime())
        rates = measure(store, people)
        store.close()
        return rates | measure_plain(server.url(name), people)


def sqlite_round(people: list[NewSubscriber]) -> Rates:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(
            "sqlite", SqliteStore.Config(url=f"sqlite:///{folder}/bench.db"), Runtime(folder=Path(folder))
        )
        store.upgrade()
        rates = measure(store, people)
        store.close()
        return rates


def medians(rounds: list[Rates]) -> Rates:
    return {name: round(statistics.median(each[name] for each in rounds), 2) for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    people = [
        NewSubscriber(f"{n}@example.com", f"Name {n}", attributes={"n": n}) for n in range(options.people)
    ]
    postgresql, sqlite = list[Rates](), list[Rates]()
    with private_postgres(durable=True) as server:
        server.prepare()
        for _ in range(options.rounds):
            postgresql.append(postgresql_round(server, people))
            sqlite.append(sqlite_round(people))
    ratios = {
        name: round(statistics.median(each[ours] / each[theirs] for each in postgresql), 2)
        for name, (ours, theirs) in RATIOS.items()
    }
    found = {"postgresql": medians(postgresql), "sqlite": medians(sqlite), "ratios_on_postgresql": ratios}
    print(json.dumps({"people": options.people, "rounds": options.rounds, **found}, indent=2))


if __name__ == "__main__":
    main()
