"""A list's 10,000th page costs what its first does: it begins at a key, and skips nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from courierx_core.ports.store import UnitOfWork
from courierx_core.testing.store_samples import add_tenant
from courierx_sql.postgresql import PostgresStore
from tests.servers import APP, Postgres

PAGES, PAGE = 10_000, 10
ROWS = PAGES * PAGE + PAGE
PEOPLE = """
INSERT INTO subscribers (tenant_id, id, email, first_name, last_name, status, attributes, created_at,
                         updated_at)
SELECT {tenant}, n, 'p' || n || '@x.example', 'Ann', '',
       CASE n % 3 WHEN 0 THEN 'bounced' ELSE 'active' END, '{{}}', now(), now()
  FROM generate_series(1, {rows}) n
"""
STOPPED = """
INSERT INTO suppressions (tenant_id, id, address, reason, cause, created_at)
SELECT {tenant}, n, 'p' || n || '@x.example', '', 'manual', now() FROM generate_series(1, {rows}) n
"""
LISTS: dict[str, Callable[[UnitOfWork, int | None], Sequence[Any]]] = {
    "people": lambda unit, before: unit.subscribers.list(before=before, limit=PAGE),
    "people by status": lambda unit, before: unit.subscribers.list(
        before=before, limit=PAGE, status="active"
    ),
    "suppressions": lambda unit, before: unit.suppressions.list(before=before, limit=PAGE),
}


@pytest.mark.parametrize("name", LISTS)
def test_the_last_page_reads_at_most_twice_the_buffers_of_the_first(
    name: str, postgresql_store: PostgresStore, postgres: Postgres, migrated: str
) -> None:
    tenant = add_tenant(postgresql_store)
    table = STOPPED if name == "suppressions" else PEOPLE
    with bound(postgres, migrated, tenant) as connection:
        connection.execute(table.format(tenant=tenant, rows=ROWS).encode())
    with psycopg.connect(postgres.url(migrated), autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE subscribers, suppressions")
    read = LISTS[name]

    def buffers(before: int | None) -> int:
        asked = []
        with postgresql_store.begin(tenant, write=False) as unit:
            event.listen(postgresql_store.engine, "before_cursor_execute", note := _noting(asked))
            found = read(unit, before)
            event.remove(postgresql_store.engine, "before_cursor_execute", note)
        assert len(found) == PAGE
        ((statement, values),) = asked
        with bound(postgres, migrated, tenant) as connection:
            explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            connection.execute(explained.encode(), values)  # once to have the pages in memory
            (plans,) = connection.execute(explained.encode(), values).fetchone() or ([],)
        plan = (json.loads(plans) if isinstance(plans, str) else plans)[0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    first, last = buffers(None), buffers(2 * PAGE)
    assert first > 0
    assert last <= 2 * first, (first, last)


def bound(postgres: Postgres, database: str, tenant: int) -> psycopg.Connection[Any]:
    """Connect as the application does, for one tenant."""
    connection = psycopg.connect(postgres.url(database, APP))
    connection.execute("SELECT set_config('courierx.tenant', %s, false)", [str(tenant)])
    return connection


def _noting(asked: list[tuple[str, Any]]) -> Callable[..., None]:
    def note(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        asked.append((statement, values))

    return note
