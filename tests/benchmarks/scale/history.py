"""Claiming and sending in a database full of old mail, beside one that is new."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from courierx_core.audience.model import NewSubscriber
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import SEND_ITEM_MAX
from courierx_sql.postgresql import PostgresStore
from tests.benchmarks.clock import Clock
from tests.benchmarks.figures import Figures, Part, medians
from tests.benchmarks.store import import_people, send_message
from tests.servers import APP, TEMPLATE, PostgresServer

# A page is 40 % full of rows that wait; when each has its answer and the old versions are gone, about 70 %.
# Filled to 40 % with answered rows, each would take one more of a new campaign, which lay all over the table.
AS_AGED = "ALTER TABLE deliveries SET (fillfactor = 70)"
AS_NEW = "ALTER TABLE deliveries SET (fillfactor = 40)"
DELIVERIES = """
    INSERT INTO deliveries (tenant_id, id, message_id, subscriber_id, address, state, tries, status,
                            provider_id, reply, updated_at, sent_at, transport)
    SELECT %(tenant)s, n, %(message)s, n, 'old' || n || '@example.com', 'accepted', 1, '2.0.0',
           to_hex(n), '250 2.0.0 Ok: queued as ' || to_hex(n), now(), now(), 'smtp'
    FROM generate_series(1, %(rows)s) AS n
"""
WORK = """
    INSERT INTO work (tenant_id, id, stream, topic, subject_id, lo, hi, attempt, due_at,
                      state, cursor, counts)
    SELECT %(tenant)s, n, 'broadcast', 'send', %(message)s, n * %(item)s, (n + 1) * %(item)s - 1, 0, now(),
           'done', (n + 1) * %(item)s - 1, '{}'
    FROM generate_series(1, %(rows)s / %(item)s) AS n
"""
NEXT_IDS = "SELECT setval('courierx_deliveries_id', %(rows)s + 1), setval('courierx_work_id', %(rows)s + 1)"


STATEMENTS = ("claim", "read", "window")


def compare(old: int, people: int, rounds: int, server: PostgresServer, say: Callable[[str], None]) -> Part:
    """Return milliseconds a statement with and without `old` deliveries, and the ratios."""
    found: dict[str, list[Figures]] = {}
    crowded, fresh = f"{old:,} old deliveries", "no old deliveries"
    with ExitStack() as stack:
        homes = {fresh: stack.enter_context(home(server, people, 0))}
        homes[crowded] = stack.enter_context(home(server, people, old))
        say(f"{old:,} old deliveries are there")
        for _ in range(rounds):
            told = {name: measure(*each) for name, each in homes.items()}
            for name, figures in told.items():
                found.setdefault(name, []).append(figures)
            ratios = {name: value / told[fresh][name] for name, value in told[crowded].items()}
            found.setdefault("old x none", []).append(ratios)
    return {name: medians(figures) for name, figures in found.items()}


@contextmanager
def home(server: PostgresServer, people: int, old: int) -> Iterator[tuple[PostgresStore, int]]:
    """Make a database with one tenant: its people, and mail that was sent long ago."""
    with server.database(template=TEMPLATE) as database:
        store = PostgresStore(
            "postgresql", PostgresStore.Config(url=Secret(server.url(database, APP))), Runtime()
        )
        try:
            tenant = add_tenant(store)
            with store.begin(tenant) as unit:
                message = new_message(unit)
            if old:
                given = {"tenant": tenant, "message": message.id, "rows": old, "item": SEND_ITEM_MAX}
                with psycopg.connect(server.url(database), autocommit=True) as connection:
                    for statement in (AS_AGED, DELIVERIES, AS_NEW, WORK, NEXT_IDS):
                        connection.execute(statement, given)
                    connection.execute("VACUUM (ANALYZE) deliveries, work")
            import_people(store, tenant, [NewSubscriber(f"{n}@example.com") for n in range(people)], Clock())
            yield store, tenant
        finally:
            store.close()


def measure(store: PostgresStore, tenant: int) -> Figures:
    """Mail everybody once; return what each statement took, the median of all."""
    clock = Clock()
    send_message(store, tenant, clock)
    return {f"{name}_ms": statistics.median(clock.wall[name]) * 1e3 for name in STATEMENTS}
