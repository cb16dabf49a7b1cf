"""Claims on SQLite: whose turn it is, and the lease.

Tenants take turns by start-time fair queueing: each claim advances its tenant by its price / weight (the
deliveries that its items have left; 1 for other work), from no earlier than where the last claim stood
(`turns` of tenant 0), so a newcomer, or one back from idling, starts level with the least served and owes
nobody.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from courierx_core.ports.transport import Stream
from courierx_core.work import Topic, WorkItem
from courierx_sql.clock import SQLITE_NOW

_STREAMS: tuple[Stream, ...] = ("transactional", "broadcast")

# a loose scan of work_ready: one probe per tenant that has ready work, not one per item
_WAITING = """
WITH RECURSIVE waiting (tenant_id) AS (
  SELECT min(tenant_id) FROM work WHERE state = 'ready' AND stream = :stream
  UNION ALL
  SELECT (SELECT min(w.tenant_id) FROM work w
          WHERE w.state = 'ready' AND w.stream = :stream AND w.tenant_id > waiting.tenant_id)
  FROM waiting WHERE waiting.tenant_id IS NOT NULL)
"""
_DUE = f"""
w.state = 'ready' AND w.stream = :stream AND w.due_at <= {SQLITE_NOW}
AND w.topic IN (SELECT value FROM json_each(:topics)) AND (:subject IS NULL OR w.subject_id = :subject)
"""
_TURN = f"""
{_WAITING}
SELECT waiting.tenant_id,
       max(coalesce(t.spent, 0.0), coalesce((SELECT spent FROM turns WHERE tenant_id = 0), 0.0)) AS turn
FROM waiting LEFT JOIN turns t ON t.tenant_id = waiting.tenant_id
WHERE waiting.tenant_id IS NOT NULL
  AND EXISTS (SELECT 1 FROM work w WHERE w.tenant_id = waiting.tenant_id AND {_DUE})
ORDER BY turn, waiting.tenant_id LIMIT 1
"""
_FIRST_TOPIC = f"""
SELECT w.topic FROM work w WHERE w.tenant_id = :tenant AND {_DUE} ORDER BY w.due_at, w.id LIMIT 1
"""
_LEASE = f"""
UPDATE work SET state = 'leased', owner = :owner, epoch = epoch + 1, lease_until = {SQLITE_NOW} + :lease
WHERE tenant_id = :tenant AND id IN (
  SELECT w.id FROM work w WHERE w.tenant_id = :tenant AND w.topic = :topic AND {_DUE}
  ORDER BY w.due_at, w.id LIMIT :limit)
RETURNING id, subject_id, lo, hi, ids, attempt, due_at, epoch, lease_until, cursor, counts, error
"""
_SPEND = """
INSERT INTO turns (tenant_id, spent)
VALUES (0, :turn),
       (:tenant, :turn + :price / max(coalesce((SELECT weight FROM tenants WHERE id = :tenant), 1), 1.0))
ON CONFLICT (tenant_id) DO UPDATE SET spent = excluded.spent
"""
_RENEW = f"""
UPDATE work SET lease_until = {SQLITE_NOW} + :lease
WHERE lease_until > {SQLITE_NOW} AND owner = :owner AND state = 'leased' RETURNING id
"""
_NEXT = f"""
{_WAITING}
SELECT min((SELECT w.due_at FROM work w
            WHERE w.state = 'ready' AND w.stream = :stream AND w.tenant_id = waiting.tenant_id
              AND w.topic IN (SELECT value FROM json_each(:topics))
            ORDER BY w.due_at LIMIT 1)) - {SQLITE_NOW}
FROM waiting WHERE waiting.tenant_id IS NOT NULL
"""


class Choice:
    """What a claim may take."""

    def __init__(self, topics: Sequence[Topic], stream: Stream | None, subject_id: int | None) -> None:
        self._streams = _STREAMS if stream is None else (stream,)
        self._values: dict[str, Any] = {"topics": _json(topics), "subject": subject_id}

    def next(self, connection: sqlite3.Connection) -> dict[str, Any] | None:
        """Return the stream, tenant and turn that come next; None when nothing is due."""
        for stream in self._streams:
            row = connection.execute(_TURN, {**self._values, "stream": stream}).fetchone()
            if row is not None:
                return {**self._values, "stream": stream, "tenant": row[0], "turn": row[1]}
        return None

    def claim(
        self, connection: sqlite3.Connection, owner: str, limit: int, lease_seconds: float
    ) -> list[WorkItem]:
        values = self.next(connection)
        if values is None:
            return []
        (topic,) = connection.execute(_FIRST_TOPIC, values).fetchone()
        values |= {"topic": topic, "owner": owner, "lease": lease_seconds, "limit": limit}
        rows = connection.execute(_LEASE, values).fetchall()
        items = sorted((_item(row, values) for row in rows), key=_order)
        connection.execute(_SPEND, {**values, "price": sum(map(_price, items))})
        return items


def renew(connection: sqlite3.Connection, owner: str, lease_seconds: float) -> frozenset[int]:
    """Extend the live leases of an owner."""
    rows = connection.execute(_RENEW, {"owner": owner, "lease": lease_seconds}).fetchall()
    return frozenset(number for (number,) in rows)


def next_due(connection: sqlite3.Connection, topics: Sequence[Topic], stream: Stream | None) -> float | None:
    waits = [
        seconds
        for each in ([stream] if stream else _STREAMS)
        for (seconds,) in connection.execute(_NEXT, {"stream": each, "topics": _json(topics)})
        if seconds is not None
    ]
    return max(min(waits), 0.0) if waits else None


def _item(row: Sequence[Any], values: Mapping[str, Any]) -> WorkItem:
    number, subject, lo, hi, ids, attempt, due, epoch, lease_until, cursor, counts, error = row
    return WorkItem(
        id=number,
        tenant_id=values["tenant"],
        stream=values["stream"],
        topic=values["topic"],
        subject_id=subject,
        lo=lo,
        hi=hi,
        ids=None if ids is None else tuple(msgspec.json.decode(ids)),
        attempt=attempt,
        due_at=datetime.fromtimestamp(due, timezone.utc),
        state="leased",
        owner=values["owner"],
        epoch=epoch,
        lease_until=datetime.fromtimestamp(lease_until, timezone.utc),
        cursor=cursor,
        counts=msgspec.json.decode(counts),
        error=error,
    )


def _price(item: WorkItem) -> float:
    if item.topic != "send":
        return 1.0
    left = item.hi - item.cursor if item.ids is None else sum(each > item.cursor for each in item.ids)
    return max(float(left), 1.0)


def _order(item: WorkItem) -> tuple[float, int]:
    return item.due_at.timestamp() if item.due_at else 0.0, item.id


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
