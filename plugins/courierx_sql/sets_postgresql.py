"""PostgreSQL's set statements. Raw SQL: every one names its tenant, and row-level security is behind it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func

from courierx_core.audience.model import Audience, ImportCounts, NewSubscriber
from courierx_core.messages.model import Message
from courierx_core.ports.store import SnapshotStep
from courierx_core.work import SEND_ITEM_MAX
from courierx_sql.causes_postgresql import cause

BIND_TENANT = "SELECT set_config('courierx.tenant', %s, true)"
BIND_PLATFORM = "SELECT set_config('courierx.platform', 'on', true), set_config('courierx.tenant', '0', true)"


def bind_tenant(connection: Connection, tenant_id: int) -> None:
    """Bind the transaction: never with a plain SET, which leaks to the pool's next user."""
    connection.exec_driver_sql(BIND_TENANT, (str(tenant_id),))


def bind_platform(connection: Connection) -> None:
    connection.exec_driver_sql(BIND_PLATFORM)


HAS_CHANGED: ColumnElement[bool] = func.pg_current_xact_id_if_assigned().is_not(None)


def mark(connection: Connection) -> object:
    """Do nothing: a transaction gets its number with its first change."""


def may_have_changed(connection: Connection, since: object) -> bool:
    return True


def owner_of(connection: Connection, table: str, object_id: int) -> int | None:
    values = {"name": table, "id": object_id}
    found = connection.exec_driver_sql("SELECT courierx_owner_of(%(name)s, %(id)s)", values).scalar_one()
    return None if found is None else int(found)


def delivery_of(
    connection: Connection, transport: str, provider_id: str, recipient: str
) -> tuple[int, int] | None:
    found = connection.exec_driver_sql(
        "SELECT tenant, delivery FROM courierx_delivery_of(%(transport)s, %(provider)s, %(recipient)s)",
        {"transport": transport, "provider": provider_id, "recipient": recipient},
    ).one_or_none()
    return None if found is None else (int(found[0]), int(found[1]))


def messages_of(connection: Connection, delivery_ids: Collection[int]) -> Mapping[int, tuple[int, int]]:
    found = connection.exec_driver_sql(
        "SELECT delivery, tenant, message FROM courierx_messages_of(%(ids)s::bigint[])",
        {"ids": list(delivery_ids)},
    )
    return {delivery: (tenant, message) for delivery, tenant, message in found}


def pruned_of(connection: Connection, delivery_ids: Collection[int]) -> Mapping[int, tuple[int, int]]:
    found = connection.exec_driver_sql(
        "SELECT delivery, tenant, message FROM courierx_pruned_of(%(ids)s::bigint[])",
        {"ids": list(delivery_ids)},
    )
    return {delivery: (tenant, message) for delivery, tenant, message in found}


def keep(connection: Connection) -> None:
    """Make the partitions of events for this month and the two after it; drop those of long ago that are
    empty."""
    connection.exec_driver_sql(
        "SELECT courierx_add_month((now() AT TIME ZONE 'UTC' + n * interval '1 month')::date)"
        " FROM generate_series(0, 2) AS n"
    )
    connection.exec_driver_sql("SELECT courierx_drop_empty_months()")


def reserve(connection: Connection, name: str, n: int) -> int:
    return _counts(connection, "SELECT courierx_reserve(%(name)s, %(n)s)", {"name": name, "n": n})[0]


def next_ids(connection: Connection) -> Mapping[str, int]:
    rows = connection.exec_driver_sql(
        "SELECT substring(sequencename FROM '^courierx_(.*)_id$'), last_value + 1 FROM pg_sequences"
        " WHERE schemaname = current_schema() AND sequencename ~ '^courierx_.*_id$'"
        " AND last_value IS NOT NULL"
    )
    return {name: int(after) for name, after in rows}


def start_ids(connection: Connection, ids: Mapping[str, int]) -> None:
    for name, after in ids.items():
        connection.exec_driver_sql(
            "SELECT setval(('courierx_' || %(name)s::text || '_id')::regclass, %(last)s)",
            {"name": name, "last": after - 1},
        )


def import_rows(
    connection: Connection,
    tenant_id: int,
    rows: Sequence[NewSubscriber],
    *,
    update: bool,
    list_id: int | None,
) -> ImportCounts:
    """COPY to a temporary table, since a table with row-level security refuses COPY, then one upsert."""
    people = _folded(rows, update)
    if not people:
        return ImportCounts()
    first = reserve(connection, "subscribers", len(people))
    connection.exec_driver_sql(_IMPORT_TABLE)
    connection.exec_driver_sql("TRUNCATE courierx_import")
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy("COPY courierx_import FROM STDIN") as copy:
        for id_, person in enumerate(people, first):
            attributes = msgspec.json.encode(person.attributes).decode()
            copy.write_row((id_, person.email, person.first_name, person.last_name, attributes))
    insert = _IMPORT.format(conflict=_MERGE if update else "NOTHING")
    imported, updated = _counts(connection, insert, {"tenant": tenant_id})
    if list_id is not None:
        connection.exec_driver_sql(_IMPORT_LIST, {"tenant": tenant_id, "list": list_id})
    repeated = len(rows) - len(people)
    updated += repeated if update else 0
    return ImportCounts(imported, updated, len(rows) - imported - updated)


def _folded(rows: Sequence[NewSubscriber], update: bool) -> Sequence[NewSubscriber]:
    """Make addresses unique: the first row wins, or with `update` takes in what later ones bring."""
    people: dict[str, NewSubscriber] = {}
    for row in rows:
        known = people.setdefault(row.email, row)
        if update and known is not row:
            people[row.email] = NewSubscriber(
                row.email,
                row.first_name or known.first_name,
                row.last_name or known.last_name,
                {**known.attributes, **row.attributes},
            )
    return tuple(people.values())


_IMPORT_TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS courierx_import
    (id bigint, email text, first_name text, last_name text, attributes jsonb) ON COMMIT DROP
"""

_IMPORT = """
WITH written AS (
    INSERT INTO subscribers (tenant_id, id, email, first_name, last_name, status, attributes,
                             created_at, updated_at)
    SELECT %(tenant)s::bigint, id, email, first_name, last_name, 'active', attributes, now(), now()
      FROM courierx_import ORDER BY id
    ON CONFLICT (tenant_id, email) DO {conflict}
    RETURNING xmax = 0 AS fresh
)
SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM written
"""

_MERGE = """UPDATE SET
        first_name = coalesce(nullif(excluded.first_name, ''), subscribers.first_name),
        last_name = coalesce(nullif(excluded.last_name, ''), subscribers.last_name),
        attributes = subscribers.attributes || excluded.attributes,
        updated_at = now()"""

_IMPORT_LIST = """
INSERT INTO subscriptions (tenant_id, list_id, subscriber_id, status, updated_at)
SELECT %(tenant)s::bigint, %(list)s::bigint, s.id, 'subscribed', now()
  FROM courierx_import i JOIN subscribers s ON s.tenant_id = %(tenant)s::bigint AND s.email = i.email
ON CONFLICT DO NOTHING
"""


def snapshot(
    connection: Connection,
    tenant_id: int,
    message: Message,
    audience: Audience,
    *,
    after: int,
    limit: int,
    ids: Sequence[int] = (),
) -> SnapshotStep:
    """One statement: choose people by keyset, make their rows and the items that send them."""
    values = {
        "tenant": tenant_id,
        "message": message.id,
        "stream": message.stream,
        "lists": list(audience.list_ids),
        "excluded": list(audience.exclude_list_ids),
        "ids": list(ids),
        "after": after,
        "limit": limit,
        "size": SEND_ITEM_MAX,
    }
    connection.exec_driver_sql(_BY_INDEX)
    (is_repeat,) = _counts(connection, _IS_REPEAT, values)
    chosen = _BY_IDS if ids else _BY_LISTS if audience.list_ids else _EVERYBODY
    statement = _SNAPSHOT.format(
        chosen=chosen.format(excluded=_NOT_EXCLUDED if audience.exclude_list_ids else ""),
        conflict=_SKIP if is_repeat else "",
    )
    seen, cursor, queued, suppressed = _counts(connection, statement, values)
    counts = {state: n for state, n in (("queued", queued), ("suppressed", suppressed)) if n}
    return SnapshotStep(cursor=cursor if seen else after, more=seen == limit, counts=counts)


# Before the first ANALYZE of a big import the planner takes a tenant for 200 rows, and a snapshot for
# minutes: 6,000 rows a second. By index alone it needs no statistics. A chunk's rows are held three times,
# 3 to 8 MB each, which the usual 4 MB write to files.
_BY_INDEX = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('jit', 'off', true), set_config('work_mem', '32MB', true)
"""

_NOT_EXCLUDED = """ AND NOT EXISTS (
        SELECT FROM subscriptions x WHERE x.tenant_id = %(tenant)s::bigint AND x.subscriber_id = s.id
           AND x.list_id = ANY(%(excluded)s::bigint[]) AND x.status = 'subscribed')"""

_EVERYBODY = """
    SELECT s.id, s.email, s.status, row_number() OVER (ORDER BY s.id) AS n FROM subscribers s
     WHERE s.tenant_id = %(tenant)s::bigint AND s.id > %(after)s::bigint AND s.status = 'active'{excluded}
     ORDER BY s.id LIMIT %(limit)s::bigint
"""

_BY_IDS = """
    SELECT s.id, s.email, s.status, row_number() OVER (ORDER BY s.id) AS n
      FROM unnest(%(ids)s::bigint[]) AS c(id)
      JOIN subscribers s ON s.tenant_id = %(tenant)s::bigint AND s.id = c.id
     ORDER BY s.id
"""

# Each list gives at most `limit` of its next people, so a small list of a large tenant costs what it holds.
_BY_LISTS = """
    SELECT s.id, s.email, s.status, row_number() OVER (ORDER BY s.id) AS n
      FROM (SELECT DISTINCT m.subscriber_id
              FROM unnest(%(lists)s::bigint[]) AS l(id)
              CROSS JOIN LATERAL (
                  SELECT u.subscriber_id FROM subscriptions u
                   WHERE u.tenant_id = %(tenant)s::bigint AND u.list_id = l.id AND u.status = 'subscribed'
                     AND u.subscriber_id > %(after)s::bigint
                     AND EXISTS (SELECT FROM subscribers s WHERE s.tenant_id = %(tenant)s::bigint
                                    AND s.id = u.subscriber_id{excluded})
                   ORDER BY u.subscriber_id LIMIT %(limit)s::bigint) m) c
      JOIN subscribers s ON s.tenant_id = %(tenant)s::bigint AND s.id = c.subscriber_id
     ORDER BY s.id LIMIT %(limit)s::bigint
"""

# The unique key alone keeps a second row away; ON CONFLICT, to pass over a first, costs 1.8 us a row.
_IS_REPEAT = """
SELECT count(*) FROM (
    SELECT FROM deliveries WHERE tenant_id = %(tenant)s::bigint AND message_id = %(message)s::bigint
       AND subscriber_id > %(after)s::bigint LIMIT 1) AS made
"""
_SKIP = "ON CONFLICT (tenant_id, message_id, subscriber_id) DO NOTHING"

_CAUSE = cause(stream="%(stream)s", tenant="%(tenant)s::bigint", address="c.email", status="c.status")

# Items are cut from the block of ids, every 500, and only around rows that were made: a repeat makes none.
_SNAPSHOT = f"""
WITH chosen AS MATERIALIZED ({{chosen}}
), block AS MATERIALIZED (
    SELECT courierx_reserve('deliveries', count(*)) AS first, count(*) AS seen, max(id) AS last
      FROM chosen HAVING count(*) > 0
), judged AS MATERIALIZED (
    SELECT c.id, c.email, (SELECT first FROM block) - 1 + c.n AS delivery_id, {_CAUSE} AS cause FROM chosen c
), made AS (
    INSERT INTO deliveries (tenant_id, id, message_id, subscriber_id, address, state, reason, updated_at)
    SELECT %(tenant)s::bigint, delivery_id, %(message)s::bigint, id, email,
           CASE WHEN cause IS NULL THEN 'queued' ELSE 'suppressed' END, coalesce(cause, ''), now()
      FROM judged
    {{conflict}}
    RETURNING id, state
), ranges AS MATERIALIZED (
    SELECT min(id) AS lo, max(id) AS hi, row_number() OVER (ORDER BY min(id)) AS n
      FROM made WHERE state = 'queued' GROUP BY (id - (SELECT first FROM block)) / %(size)s::bigint
), numbers AS MATERIALIZED (
    SELECT courierx_reserve('work', count(*)) AS first FROM ranges HAVING count(*) > 0
), items AS (
    INSERT INTO work (tenant_id, id, stream, topic, subject_id, lo, hi, attempt, due_at, state, cursor,
                      counts)
    SELECT %(tenant)s::bigint, numbers.first - 1 + n, %(stream)s, 'send', %(message)s::bigint, lo, hi, 1,
           now(), 'ready', lo - 1, '{{{{}}}}'
      FROM ranges CROSS JOIN numbers
)
SELECT coalesce((SELECT seen FROM block), 0), (SELECT last FROM block),
       count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'suppressed')
  FROM made
"""


def _counts(connection: Connection, statement: str, values: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(connection.exec_driver_sql(statement, dict(values)).one())
