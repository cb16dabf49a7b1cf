"""SQLite's set functions (`sets.Sets`): raw SQL, unseen by the tenant guard.

Every statement names `tenant_id` itself; only `counters`, which belongs to no tenant, does without.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, true

from courierx_core.audience.model import Audience, ImportCounts, NewSubscriber
from courierx_core.messages.model import Message
from courierx_core.ports.store import SnapshotStep
from courierx_core.work import SEND_ITEM_MAX
from courierx_sql.causes_sqlite import cause
from courierx_sql.clock import SQLITE_NOW


def bind_tenant(connection: Connection, tenant_id: int) -> None:
    """Do nothing: SQLite has no row-level security; the accessor and the guard are its fences."""


def bind_platform(connection: Connection) -> None:
    """Do nothing, as `bind_tenant`."""


HAS_CHANGED: ColumnElement[bool] = true()


def mark(connection: Connection) -> object:
    driver: Any = connection.connection.driver_connection
    return driver.total_changes


def may_have_changed(connection: Connection, since: object) -> bool:
    return mark(connection) != since


def owner_of(connection: Connection, table: str, object_id: int) -> int | None:
    # ids are unique, but every key leads with the tenant: one probe per tenant, never a scan
    found = connection.exec_driver_sql(
        "SELECT t.id FROM (SELECT id FROM tenants UNION ALL SELECT 0) t WHERE EXISTS"
        f" (SELECT 1 FROM {table} o WHERE o.tenant_id = t.id AND o.id = ?) LIMIT 1",
        (object_id,),
    ).scalar_one_or_none()
    return None if found is None else int(found)


def delivery_of(
    connection: Connection, transport: str, provider_id: str, recipient: str
) -> tuple[int, int] | None:
    # one probe per tenant, as `owner_of`
    found = connection.exec_driver_sql(
        "SELECT d.tenant_id, d.id FROM tenants t CROSS JOIN deliveries d INDEXED BY deliveries_address"
        " ON d.tenant_id = t.id AND d.address = ? AND d.provider_id = ? CROSS JOIN messages m"
        " ON m.tenant_id = d.tenant_id AND m.id = d.message_id"
        " AND coalesce(nullif(d.transport, ''), m.transport) = ?"
        " ORDER BY d.id DESC LIMIT 1",
        (recipient, provider_id, transport),
    ).one_or_none()
    return None if found is None else (int(found[0]), int(found[1]))


def messages_of(connection: Connection, delivery_ids: Collection[int]) -> Mapping[int, tuple[int, int]]:
    # one probe per tenant and id, as `owner_of`
    found = connection.exec_driver_sql(
        "SELECT d.id, d.tenant_id, d.message_id FROM json_each(?) j CROSS JOIN tenants t"
        " CROSS JOIN deliveries d ON d.tenant_id = t.id AND d.id = j.value",
        (_json(list(delivery_ids)),),
    )
    return {delivery: (tenant, message) for delivery, tenant, message in found}


def pruned_of(connection: Connection, delivery_ids: Collection[int]) -> Mapping[int, tuple[int, int]]:
    # ranges never overlap: the first that ends at an id or after it holds it, or none does
    found = connection.exec_driver_sql(
        "SELECT j.value, p.tenant_id, p.message_id FROM json_each(?) j CROSS JOIN pruned_deliveries p"
        " ON p.hi = (SELECT min(hi) FROM pruned_deliveries WHERE hi >= j.value) AND p.lo <= j.value",
        (_json(list(delivery_ids)),),
    )
    return {delivery: (tenant, message) for delivery, tenant, message in found}


def keep(connection: Connection) -> None:
    """Nothing here goes by the calendar."""


def reserve(connection: Connection, name: str, n: int) -> int:
    after = connection.exec_driver_sql(
        "INSERT INTO counters (name, next) VALUES (?, 1 + ?)"
        " ON CONFLICT (name) DO UPDATE SET next = next + excluded.next - 1 RETURNING next",
        (name, n),
    ).scalar_one()
    return int(after) - n


def next_ids(connection: Connection) -> Mapping[str, int]:
    rows = connection.exec_driver_sql("SELECT name, next FROM counters")
    return {row.name: row.next for row in rows}


def start_ids(connection: Connection, ids: Mapping[str, int]) -> None:
    _many(connection, "INSERT OR REPLACE INTO counters (name, next) VALUES (?, ?)", list(ids.items()))


# --- imports ---------------------------------------------------------------------------------------

_KNOWN = (
    "SELECT s.email, s.id, s.attributes FROM json_each(?) j"
    " CROSS JOIN subscribers s ON s.tenant_id = ? AND s.email = j.value"
)
_ADD = (
    "INSERT INTO subscribers (tenant_id, id, email, first_name, last_name, status, attributes, created_at,"
    f" updated_at) VALUES (?, ?, ?, ?, ?, 'active', ?, {SQLITE_NOW}, {SQLITE_NOW})"
)
_MERGE = (
    "UPDATE subscribers SET first_name = CASE WHEN ?1 = '' THEN first_name ELSE ?1 END,"
    " last_name = CASE WHEN ?2 = '' THEN last_name ELSE ?2 END, attributes = ?3,"
    f" updated_at = {SQLITE_NOW} WHERE tenant_id = ?4 AND id = ?5"
)
_SUBSCRIBE = (
    "INSERT INTO subscriptions (tenant_id, list_id, subscriber_id, status, updated_at)"
    f" SELECT ?1, ?2, j.value, 'subscribed', {SQLITE_NOW} FROM json_each(?3) j WHERE true"
    " ON CONFLICT (tenant_id, list_id, subscriber_id) DO NOTHING"
)


def import_rows(
    connection: Connection,
    tenant_id: int,
    rows: Sequence[NewSubscriber],
    *,
    update: bool,
    list_id: int | None,
) -> ImportCounts:
    people: dict[str, NewSubscriber] = {}
    for row in rows:
        before = people.get(row.email)
        people[row.email] = row if before is None else _merged(before, row) if update else before
    known = connection.exec_driver_sql(_KNOWN, (_json(list(people)), tenant_id)).all()
    if update:
        changes = []
        for email, subscriber_id, stored in known:
            row = people[email]
            attributes = (
                _json({**msgspec.json.decode(stored), **row.attributes}) if row.attributes else stored
            )
            changes.append((row.first_name, row.last_name, attributes, tenant_id, subscriber_id))
        _many(connection, _MERGE, changes)
    known_emails = {email for email, _, _ in known}
    new = [row for email, row in people.items() if email not in known_emails]
    first = reserve(connection, "subscribers", len(new)) if new else 0
    _many(
        connection,
        _ADD,
        [
            (tenant_id, n, row.email, row.first_name, row.last_name, _json(row.attributes))
            for n, row in enumerate(new, first)
        ],
    )
    if list_id is not None:
        ids = [subscriber_id for _, subscriber_id, _ in known] + list(range(first, first + len(new)))
        connection.exec_driver_sql(_SUBSCRIBE, (tenant_id, list_id, _json(ids)))
    rest = len(rows) - len(new)
    return ImportCounts(len(new), rest if update else 0, 0 if update else rest)


def _merged(before: NewSubscriber, after: NewSubscriber) -> NewSubscriber:
    """Let a later row of the same batch add to an earlier one, as it would in the next batch."""
    return NewSubscriber(
        before.email,
        after.first_name or before.first_name,
        after.last_name or before.last_name,
        {**before.attributes, **after.attributes},
    )


# --- snapshots -------------------------------------------------------------------------------------

_ON_LISTS = (
    "EXISTS (SELECT 1 FROM subscriptions l WHERE l.tenant_id = :tenant AND l.subscriber_id = p.id"
    " AND l.status = 'subscribed' AND l.list_id IN (SELECT value FROM json_each(:{ids})))"
)
_INSERT = """
INSERT INTO deliveries (tenant_id, id, message_id, subscriber_id, address, state, reason, updated_at)
SELECT :tenant, :first - 1 + row_number() OVER (ORDER BY c.id), :message, c.id, c.email,
       CASE WHEN c.cause IS NULL THEN 'queued' ELSE 'suppressed' END, coalesce(c.cause, ''), {now}
FROM (SELECT p.id, p.email, {cause} AS cause FROM subscribers p
      WHERE p.tenant_id = :tenant AND p.id > :after AND p.id <= :last AND {members}) c
WHERE true
ON CONFLICT (tenant_id, message_id, subscriber_id) DO NOTHING
"""
_CHUNK = """
SELECT count(*), max(id) FROM (SELECT p.id FROM subscribers p
 WHERE p.tenant_id = :tenant AND p.id > :after AND {members} ORDER BY p.id LIMIT :limit)
"""
# what got a row, cut into send items; ids that a repeated run skipped are in none
_ITEMS = f"""
SELECT min(id), max(id), count(*) FROM (
  SELECT id, (row_number() OVER (ORDER BY id) - 1) / {SEND_ITEM_MAX} AS item FROM deliveries
  WHERE tenant_id = :tenant AND id BETWEEN :first AND :first + :n - 1 AND state = 'queued')
GROUP BY item ORDER BY item
"""
_ADD_ITEM = (
    "INSERT INTO work (tenant_id, id, stream, topic, subject_id, lo, hi, attempt, due_at, state, cursor,"
    f" counts) VALUES (?, ?, ?, 'send', ?, ?, ?, 1, {SQLITE_NOW}, 'ready', ?, '{{}}')"
)


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
    members = "p.id IN (SELECT value FROM json_each(:ids))" if ids else _members(audience)
    values: dict[str, Any] = {
        "tenant": tenant_id,
        "message": message.id,
        "lists": _json(audience.list_ids),
        "excluded": _json(audience.exclude_list_ids),
        "ids": _json(ids),
        "after": after,
        "limit": limit,
    }
    n, last = connection.exec_driver_sql(*_named(_CHUNK.format(members=members), values)).one()
    if not n:
        return SnapshotStep(after, False, {})
    values |= {"n": n, "last": last, "first": reserve(connection, "deliveries", n)}
    why = cause(message.stream, tenant=":tenant", address="p.email", status="p.status")
    insert = _INSERT.format(cause=why, members=members, now=SQLITE_NOW)
    made = connection.exec_driver_sql(*_named(insert, values)).rowcount
    items = connection.exec_driver_sql(*_named(_ITEMS, values)).all()
    if items:
        first = reserve(connection, "work", len(items))
        _many(
            connection,
            _ADD_ITEM,
            [
                (tenant_id, first + k, message.stream, message.id, lo, hi, lo - 1)
                for k, (lo, hi, _) in enumerate(items)
            ],
        )
    queued = sum(count for _, _, count in items)
    counts = {"queued": queued, "suppressed": made - queued}
    return SnapshotStep(last, n == limit, {state: count for state, count in counts.items() if count})


def _members(audience: Audience) -> str:
    """Say `rows.audience.members` in raw SQL, where there is no segment."""
    conditions = [_ON_LISTS.format(ids="lists") if audience.list_ids else "p.status = 'active'"]
    if audience.exclude_list_ids:
        conditions.append("NOT " + _ON_LISTS.format(ids="excluded"))
    return " AND ".join(conditions)


def _named(sql: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give a statement the values that it names, and no others."""
    return sql, {name: values[name] for name in re.findall(r":(\w+)", sql)}


def _many(connection: Connection, sql: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(sql, rows)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
