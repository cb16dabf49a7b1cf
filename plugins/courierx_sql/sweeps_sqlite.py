"""Sweeps on SQLite: what a dead worker leaves becomes visible, and its items ready again."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any

import msgspec

from courierx_core.ports.ledger import Swept
from courierx_sql.clock import SQLITE_NOW

_EXPIRED = f"""
SELECT tenant_id, id, topic, subject_id, stream, state, lo, hi, ids, attempt, cursor, counts FROM work
WHERE lease_until <= {SQLITE_NOW} ORDER BY lease_until LIMIT ?
"""
_RANGE = "FROM deliveries d WHERE d.tenant_id = :tenant AND d.id BETWEEN :lo AND :hi"
_LIST = (
    "FROM json_each(:ids) j CROSS JOIN deliveries d ON d.tenant_id = :tenant AND d.id = j.value WHERE true"
)
_UNRESOLVED = (
    "SELECT d.id, d.state {covered} AND d.id <= :cursor AND d.attempt < :attempt"
    " AND d.state IN ('queued', 'deferred')"
)
_LEFT = (
    "SELECT 1 {covered} AND d.id > :cursor AND d.attempt < :attempt"
    " AND d.state IN ('queued', 'deferred') LIMIT 1"
)
_UNCERTAIN = (
    "UPDATE deliveries SET state = 'uncertain', reason = 'lease_expired', attempt = ?,"
    f" updated_at = {SQLITE_NOW} WHERE tenant_id = ? AND id = ?"
)
_RELEASE = (
    "UPDATE work SET state = ?, counts = ?, owner = '', lease_until = NULL, epoch = epoch + 1"
    " WHERE tenant_id = ? AND id = ?"
)


def expired(connection: sqlite3.Connection, limit: int) -> list[tuple[Any, ...]]:
    return connection.execute(_EXPIRED, (limit,)).fetchall()


def sweep(connection: sqlite3.Connection, limit: int) -> list[Swept]:
    """Take expired leases; the caller has begun the transaction."""
    return [_take(connection, row) for row in expired(connection, limit)]


def _take(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Swept:
    tenant, item, topic, subject, stream, state, lo, hi, ids, attempt, cursor, counts = row
    after = "held" if state == "held" else "ready"
    changes: Counter[str] = Counter(msgspec.json.decode(counts))
    lost: list[tuple[int, str]] = []
    if topic == "send":
        covered = _RANGE if ids is None else _LIST
        values = {"tenant": tenant, "cursor": cursor, "attempt": attempt}
        values |= {"lo": lo, "hi": hi} if ids is None else {"ids": ids}
        lost = connection.execute(_UNRESOLVED.format(covered=covered), values).fetchall()
        connection.executemany(_UNCERTAIN, [(attempt, tenant, number) for number, _ in lost])
        for _, was in lost:
            changes[was] -= 1
        changes["uncertain"] += len(lost)
        if connection.execute(_LEFT.format(covered=covered), values).fetchone() is None:
            after = "done"
    stored = msgspec.json.encode({kind: n for kind, n in changes.items() if n}).decode()
    connection.execute(_RELEASE, (after, stored, tenant, item))
    return Swept(item, tenant, topic, subject, stream, len(lost))
