"""The ledger's set statements against the row-by-row shapes that they replace, on a durable PostgreSQL.

`python tests/benchmarks/ledger.py --people 50000` prints one JSON object. Every round runs each pair next
to each other; rates are medians of the rounds, ratios are taken within a round. Ours go through the store
as it is deployed (the app's role, row-level security); the others are plain tables without either. After
each round the counters are held against the rows: a benchmark that loses somebody fails.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from courierx_core.audience.model import Audience, NewSubscriber
from courierx_core.messages.model import Message
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.ledger import ItemMove, Ledger, Outcome
from courierx_core.tenants import Tenant
from courierx_core.testing.store_samples import new_message
from courierx_core.work import WorkItem
from courierx_sql.postgresql import PostgresStore
from tests.servers import APP, TEMPLATE, private_postgres

WINDOW = 100
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


class Round:
    """One fresh database: everything is measured once, in the order in which a campaign meets it."""

    def __init__(self, store: PostgresStore, plain: psycopg.Connection[Any], people: int) -> None:
        self.store, self.plain, self.people = store, plain, people
        self.rates: dict[str, float] = {}
        with store.platform() as unit:
            self.tenant = unit.tenants.add(Tenant(name="bench", contact_email="a@example.com")).id
        with store.begin(self.tenant) as unit:
            self.message = new_message(unit)

    def run(self) -> None:
        rows = [
            NewSubscriber(f"{n}@example.com", f"Name {n}", attributes={"n": n}) for n in range(self.people)
        ]
        few = rows[: min(2_000, self.people)]
        self._rate("import_sets", self.people, lambda: self._import(rows))
        self._rate("import_rows", len(few), lambda: self._import_plainly(few))
        self.plain.execute(
            "INSERT INTO plain_people SELECT id, tenant_id, email, first_name, attributes FROM subscribers"
            " ON CONFLICT DO NOTHING"
        )
        self._rate("snapshot_sets", self.people, self._snapshot)
        self._rate("snapshot_foreign_keys", self.people, self._snapshot_plainly)
        ledger = self.store.ledger()
        try:
            self._claim_and_record(ledger)
        finally:
            ledger.close()
        with self.store.begin(self.tenant) as unit:
            assert unit.deliveries.recount(self.message.id) == {"accepted": self.people}
            totals = unit.deliveries.totals(self.message.id)
            assert totals == {"queued": -self.people, "accepted": self.people}, totals

    def _rate(self, name: str, n: int, work: Callable[[], None]) -> None:
        start = time.perf_counter()
        work()
        self.rates[name] = n / (time.perf_counter() - start)

    def _import(self, rows: list[NewSubscriber]) -> None:
        for at in range(0, len(rows), 10_000):
            with self.store.begin(self.tenant) as unit:
                unit.subscribers.import_rows(rows[at : at + 10_000])

    def _import_plainly(self, rows: list[NewSubscriber]) -> None:
        with self.plain.transaction():
            for row in rows:
                self.plain.execute(
                    "INSERT INTO plain_people (tenant_id, email, first_name, attributes)"
                    " VALUES (1, %s, %s, %s)",
                    (row.email, row.first_name, json.dumps(row.attributes)),
                )

    def _snapshot(self) -> None:
        after, more = 0, True
        while more:
            with self.store.begin(self.tenant) as unit:
                step = unit.deliveries.snapshot(self.message, Audience(), after=after, limit=50_000)
            after, more = step.cursor, step.more

    def _snapshot_plainly(self) -> None:
        self.plain.execute(
            "INSERT INTO plain_deliveries (state, address, message_id, person_id)"
            " SELECT 'queued', email, 1, id FROM plain_people ORDER BY id"
        )

    def _claim_and_record(self, ledger: Ledger) -> None:
        """Send everybody through windows of 100; then claim and record some the plain way."""
        seconds: dict[str, list[float]] = {"claim": [], "read": [], "window": []}
        cpu = -time.process_time()
        while True:
            with timed(seconds["claim"]):
                items = ledger.claim("bench", limit=1, lease_seconds=600, topics=("send",))
            if not items:
                break
            self._send(ledger, items[0], seconds)
        cpu += time.process_time()
        spent = {name: sum(each) for name, each in seconds.items()}
        self.rates["claim_items"] = self.people / (spent["claim"] + spent["read"])
        self.rates["record_windows"] = self.people / spent["window"]
        self.rates["window_ms"] = statistics.median(seconds["window"]) * 1000
        self.rates["cpu_us_per_message"] = cpu / self.people * 1e6
        self._claim_plainly(min(10_000, self.people))
        self._record_plainly(min(1_000, self.people))

    def _send(self, ledger: Ledger, item: WorkItem, seconds: dict[str, list[float]]) -> None:
        cursor, outcomes, accepted = item.cursor, list[Outcome](), 0
        while True:
            with timed(seconds["read"]):
                rows = ledger.read(item, after=cursor, limit=WINDOW)
            ids = [row.id for row in rows]
            cursor = ids[-1] if ids else cursor
            accepted += len(outcomes)
            counts = {"queued": -accepted, "accepted": accepted}
            move = ItemMove(item.id, item.epoch, cursor, counts, "leased" if ids else "done")
            with timed(seconds["window"]):
                ledger.window(item.tenant_id, [move], outcomes, ids)
            if not ids:
                return
            outcomes = [answer(item, self.message, number) for number in ids]

    def _claim_plainly(self, n: int) -> None:
        def work() -> None:
            for _ in range(0, n, 500):
                self.plain.execute(
                    "UPDATE plain_deliveries SET state = 'sending' WHERE id IN"
                    " (SELECT id FROM plain_deliveries WHERE state = 'queued' ORDER BY id LIMIT 500"
                    " FOR UPDATE SKIP LOCKED)"
                    " RETURNING id, address"
                ).fetchall()

        self._rate("claim_rows_skip_locked", n, work)

    def _record_plainly(self, n: int) -> None:
        ids = self.plain.execute("SELECT id FROM plain_deliveries ORDER BY id LIMIT %s", (n,)).fetchall()

        def work() -> None:
            for row in ids:
                self.plain.execute(
                    "UPDATE plain_deliveries SET state = 'accepted', reply = %s WHERE id = %s",
                    ("250 2.0.0 Ok: queued as 4F6X", *row),
                )

        self._rate("record_commit_per_row", n, work)


def answer(item: WorkItem, message: Message, number: int) -> Outcome:
    return Outcome(
        number, item.id, message.id, "accepted", item.attempt, tries=1, provider_id=f"{number:x}",
        status="2.0.0", reply=f"250 2.0.0 Ok: queued as {number:X}", stage="answer", transport="smtp",
    )  # fmt: skip


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - start)


PAIRS = {
    "import": ("import_sets", "import_rows"),
    "snapshot": ("snapshot_sets", "snapshot_foreign_keys"),
    "claim_and_read": ("claim_items", "claim_rows_skip_locked"),
    "record": ("record_windows", "record_commit_per_row"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds: list[dict[str, float]] = []
    with private_postgres(durable=True) as server:
        server.prepare()
        for _ in range(options.rounds):
            with server.database(template=TEMPLATE) as name:
                config = PostgresStore.Config(url=Secret(server.url(name, APP)))
                store = PostgresStore("postgresql", config, Runtime())
                with psycopg.connect(server.url(name), autocommit=True) as plain:
                    plain.execute(PLAIN)
                    measured = Round(store, plain, options.people)
                    measured.run()
                store.close()
            rounds.append(measured.rates)
    median = {name: round(statistics.median(each[name] for each in rounds), 2) for name in rounds[0]}
    ratios = {
        name: round(statistics.median(each[ours] / each[theirs] for each in rounds), 2)
        for name, (ours, theirs) in PAIRS.items()
    }
    print(json.dumps({"people": options.people, "rates_per_second": median, "ratios": ratios}, indent=2))


if __name__ == "__main__":
    main()
