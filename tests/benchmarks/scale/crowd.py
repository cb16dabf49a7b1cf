"""Many workers that have nothing to do but claim, on PostgreSQL, beside one of them.

As a program it is some of them: `python -m tests.benchmarks.scale.crowd URL THREADS`. Each has a
connection of its own, as a worker does, and gives nothing back: every item may be claimed once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import closing

import psycopg

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_sql.postgresql import PostgresStore
from tests.benchmarks.figures import Figures, Part, Unbalanced, medians
from tests.benchmarks.scale.crew import crew
from tests.servers import APP, TEMPLATE, PostgresServer

TENANTS = 4
FILL = """
    INSERT INTO work (tenant_id, id, stream, topic, subject_id, lo, hi, attempt, due_at, state, counts)
    SELECT %(tenant)s, nextval('courierx_work_id'), 'broadcast', 'send', %(message)s, n, n, 0, now(),
           'ready', '{}'
    FROM generate_series(1, %(items)s) AS n
"""


def compare(processes: int, threads: int, items: int, rounds: int, server: PostgresServer) -> Part:
    """Return claims a second of one, and of `threads` in each of `processes`.

    Raises Unbalanced when an item was claimed by two, or by nobody."""
    crowded = f"{processes * threads} workers that claim"
    ways = {"1 worker that claims": (1, 1), crowded: (processes, threads)}
    found: dict[str, list[Figures]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            found.setdefault(name, []).append(measure(*way, items, server))
    return {name: medians(figures) for name, figures in found.items()}


def measure(processes: int, threads: int, items: int, server: PostgresServer) -> Figures:
    with server.database(template=TEMPLATE) as database:
        with (
            closing(store_of(server.url(database, APP))) as store,
            psycopg.connect(server.url(database)) as to,
        ):
            for number in range(TENANTS):
                tenant = add_tenant(store, f"Tenant {number}")
                with store.begin(tenant) as unit:
                    message = new_message(unit)
                given = {"tenant": tenant, "message": message.id, "items": items // TENANTS}
                to.execute(FILL, given)
        with crew("crowd", processes, server.url(database, APP), str(threads)) as answers:
            told = answers()
    claimed = [number for each in told for number in each["claimed"]]
    hold(claimed, items // TENANTS * TENANTS)
    took = max(each["ended"] for each in told) - min(each["began"] for each in told)
    return {
        "claims_per_second": len(claimed) / took,
        "slowest_claim_ms": max(e["slowest"] for e in told) * 1e3,
    }


def hold(claimed: list[int], items: int) -> None:
    """Raise Unbalanced unless each of so many items was claimed once."""
    if len(claimed) != items or len(set(claimed)) != items:
        raise Unbalanced(f"of {items} items {len(set(claimed))} were claimed, in {len(claimed)} claims")


def store_of(url: str) -> PostgresStore:
    return PostgresStore("postgresql", PostgresStore.Config(url=Secret(url)), Runtime())


def claim_all(store: PostgresStore, name: str, claimed: list[int], took: list[float]) -> None:
    """Claim one item after the other until none is left."""
    with closing(store.ledger()) as ledger:
        while True:
            began = time.monotonic()
            items = ledger.claim(name, limit=1, lease_seconds=600, topics=("send",), stream="broadcast")
            took.append(time.monotonic() - began)
            claimed += [item.id for item in items]
            if not items and ledger.next_due(topics=("send",), stream="broadcast") is None:
                return


def main(url: str, threads: int) -> None:
    with closing(store_of(url)) as store:
        claimed, took = list[int](), list[float]()
        crowd = [
            threading.Thread(target=claim_all, args=(store, f"{os.getpid()}:{number}", claimed, took))
            for number in range(threads)
        ]
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.monotonic()
        for each in crowd:
            each.start()
        for each in crowd:
            each.join()
        ended = time.monotonic()
    told = {"claimed": claimed, "began": began, "ended": ended, "slowest": max(took)}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
