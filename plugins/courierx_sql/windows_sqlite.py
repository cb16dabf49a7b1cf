"""A window on SQLite, in four steps inside one transaction: move, record, follow up, check the intents.

Common outcomes cost one UPDATE for all that are alike, and no read. Only when a row is not as it was read,
or its item is not held, the rows are read and `settlement` decides one by one.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from courierx_core.delivery.settlement import settle
from courierx_core.ports.ledger import FollowUp, ItemMove, Outcome
from courierx_core.ports.transport import Stream
from courierx_core.work import SEND_ITEM_MAX
from courierx_sql.causes_sqlite import cause
from courierx_sql.clock import SQLITE_NOW

_KEEP = (
    "UPDATE work SET cursor = ?, counts = ? WHERE tenant_id = ? AND id = ? AND epoch = ? AND state = 'leased'"
)
_GIVE_BACK = (
    "UPDATE work SET cursor = ?, counts = ?, state = ?, owner = '', lease_until = NULL,"
    f" due_at = CASE ? WHEN 'ready' THEN {SQLITE_NOW} + ? ELSE due_at END"
    " WHERE tenant_id = ? AND id = ? AND epoch = ? AND state = 'leased'"
)
_LEAVE = (
    "UPDATE work SET owner = '', lease_until = NULL"
    " WHERE tenant_id = ? AND id = ? AND epoch = ? AND state = 'held'"
)
_SET = (
    "UPDATE deliveries SET state = ?, attempt = ?, tries = tries + ?, reason = ?, status = ?,"
    " provider_id = ?, reply = ?, transport = ?, updated_at = ?, sent_at = coalesce(?, sent_at)"
    " WHERE tenant_id = ? AND id = ?"
)
# Rows that say the same but for the reply, in one statement: `executemany` gives Python's lock away and takes
# it again for each row, while the sender wants it too (a worker's message: 44 us of processor, so 39). LIMIT
# keeps the replies a table of their own, so that the planner walks them, and not all of a tenant's rows.
_SET_AS_READ = (
    "UPDATE deliveries AS d SET state = ?, attempt = ?, tries = tries + ?, reason = ?, status = ?,"
    " provider_id = ?, transport = ?, reply = j.reply, updated_at = ?, sent_at = coalesce(?, sent_at)"
    " FROM (SELECT ? AS tenant_id, CAST(key AS INTEGER) AS id, value AS reply FROM json_each(?) LIMIT -1)"
    " AS j WHERE d.tenant_id = j.tenant_id AND d.id = j.id AND d.state = ? AND d.attempt < ?"
)
_RESOLVE = "UPDATE deliveries SET attempt = ? WHERE tenant_id = ? AND id = ?"
_ROWS = (
    "SELECT d.id, d.state, d.attempt FROM json_each(?) j"
    " CROSS JOIN deliveries d ON d.tenant_id = ? AND d.id = j.value"
)
_ATTEMPT = (
    "INSERT INTO attempts (tenant_id, delivery_id, attempt, message_id, state, stage, status, reply,"
    " transport, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_COUNT = (
    "INSERT INTO message_counters (tenant_id, message_id, kind, n) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (tenant_id, message_id, kind) DO UPDATE SET n = n + excluded.n"
)
_RESERVE = (
    "INSERT INTO counters (name, next) VALUES (?, 1 + ?)"
    " ON CONFLICT (name) DO UPDATE SET next = next + excluded.next - 1 RETURNING next"
)
_HELD = (
    "SELECT 1 FROM work WHERE tenant_id = ? AND subject_id = ? AND topic = 'send' AND state = 'held' LIMIT 1"
)
_FOLLOW_UP = (
    "INSERT INTO work (tenant_id, id, stream, topic, subject_id, lo, hi, ids, attempt, due_at, state, cursor,"
    f" counts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, {SQLITE_NOW} + ?, ?, ?, '{{}}')"
)


def gone(stream: Stream, why: str) -> str:
    """Add to a cause that a deleted subscriber gets no more broadcast mail; `d` and `p` are in scope."""
    if stream == "transactional":
        return why
    return f"coalesce({why}, CASE WHEN d.subscriber_id IS NOT NULL AND p.id IS NULL THEN 'deleted' END)"


def _suppressed_sql(stream: Stream) -> str:
    why = gone(stream, cause(stream, tenant=":tenant", address="d.address", status="p.status"))
    return f"""
    SELECT id, why FROM (
      SELECT d.id, {why} AS why FROM json_each(:ids) j
      CROSS JOIN deliveries d ON d.tenant_id = :tenant AND d.id = j.value
      LEFT JOIN subscribers p ON p.tenant_id = :tenant AND p.id = d.subscriber_id)
    WHERE why IS NOT NULL
    """


_SUPPRESSED: dict[Stream, str] = {
    "transactional": _suppressed_sql("transactional"),
    "broadcast": _suppressed_sql("broadcast"),
}


def count(connection: sqlite3.Connection, tenant_id: int, changes: Mapping[int, Mapping[str, int]]) -> None:
    """Add to messages' own counters: message id -> kind -> change."""
    rows = [
        (tenant_id, message, kind, n) for message, each in changes.items() for kind, n in each.items() if n
    ]
    if rows:
        connection.executemany(_COUNT, rows)


class Window:
    """One window of one tenant; the caller has begun the transaction."""

    def __init__(self, connection: sqlite3.Connection, tenant_id: int) -> None:
        self._connection = connection
        self._tenant = tenant_id

    def move(self, moves: Sequence[ItemMove]) -> frozenset[int]:
        """Move the items' cursors; return those whose lease and epoch still hold."""
        held = [move.id for move in moves if self._move(move)]
        return frozenset(held)

    def _move(self, move: ItemMove) -> bool:
        key = (self._tenant, move.id, move.epoch)
        counts = msgspec.json.encode(move.counts).decode()
        run, state = self._connection.execute, move.state
        if state == "leased":
            return run(_KEEP, (move.cursor, counts, *key)).rowcount > 0
        if run(_GIVE_BACK, (move.cursor, counts, state, state, move.delay_seconds, *key)).rowcount > 0:
            return True
        run(_LEAVE, key)
        return False

    def record(self, outcomes: Sequence[Outcome], held: frozenset[int]) -> frozenset[int]:
        """Write the outcomes; return the deliveries that took theirs."""
        if not outcomes:
            return frozenset()
        (now,) = self._connection.execute(f"SELECT {SQLITE_NOW}").fetchone()
        self._note_attempts(outcomes, now)
        if all(each.item_id in held for each in outcomes) and self._record_as_read(outcomes, now):
            return frozenset(each.id for each in outcomes)
        return self._settle(outcomes, held, now)

    def _record_as_read(self, outcomes: Sequence[Outcome], now: float) -> bool:
        """Try the common case for all of them at once; False, and nothing written, where one differs."""
        alike: defaultdict[tuple[Any, ...], dict[int, str]] = defaultdict(dict)
        for o in outcomes:
            same = (o.state, o.attempt, o.tries, o.reason, o.status, o.provider_id, o.transport, o.before)
            alike[same][o.id] = o.reply
        run, done = self._connection.execute, 0
        run("SAVEPOINT as_read")
        for (state, attempt, *rest, before), replies in alike.items():
            text = msgspec.json.encode(replies).decode()
            sent_at = now if state == "accepted" else None
            values = (state, attempt, *rest, now, sent_at, self._tenant, text, before, attempt)
            done += run(_SET_AS_READ, values).rowcount
        if done != len(outcomes):
            run("ROLLBACK TO as_read")
        run("RELEASE as_read")
        return done == len(outcomes)

    def _settle(self, outcomes: Sequence[Outcome], held: frozenset[int], now: float) -> frozenset[int]:
        rows = self._rows(each.id for each in outcomes)
        changes: dict[int, Counter[str]] = defaultdict(Counter)
        took = set()
        for o in outcomes:
            if o.id not in rows:
                continue
            answer = settle(*rows[o.id], o, held=o.item_id in held)
            changes[o.message_id].update(answer.changes)
            if answer.applied:
                took.add(o.id)
                self._connection.execute(
                    _SET,
                    (
                        o.state, answer.attempt, o.tries, o.reason, o.status, o.provider_id, o.reply,
                        o.transport, now, now if o.state == "accepted" else None, self._tenant, o.id,
                    ),
                )  # fmt: skip
            else:
                self._connection.execute(_RESOLVE, (answer.attempt, self._tenant, o.id))
        count(self._connection, self._tenant, changes)
        return frozenset(took)

    def _rows(self, ids: Iterable[int]) -> dict[int, tuple[Any, int]]:
        wanted = msgspec.json.encode(list(ids)).decode()
        found = self._connection.execute(_ROWS, (wanted, self._tenant))
        return {number: (state, attempt) for number, state, attempt in found}

    def _note_attempts(self, outcomes: Sequence[Outcome], now: float) -> None:
        rows = [
            (
                self._tenant,
                o.id,
                o.attempt,
                o.message_id,
                o.state,
                o.stage,
                o.status,
                o.reply,
                o.transport,
                now,
            )
            for o in outcomes
            if o.tries and o.state != "accepted"
        ]
        if rows:
            self._connection.executemany(_ATTEMPT, rows)

    def follow_up(self, follow_ups: Sequence[FollowUp], took: frozenset[int], paused: frozenset[int]) -> None:
        """Add list items of what took its outcome here; what is to be sent of a message in `paused` is born
        held."""
        rows = []
        for each in follow_ups:
            ids = sorted(took.intersection(each.ids))
            for at in range(0, len(ids), SEND_ITEM_MAX):
                chunk = ids[at : at + SEND_ITEM_MAX]
                rows.append((each, chunk, msgspec.json.encode(chunk).decode()))
        if not rows:
            return
        (after,) = self._connection.execute(_RESERVE, ("work", len(rows))).fetchone()
        self._connection.executemany(
            _FOLLOW_UP,
            [
                (
                    self._tenant, after - len(rows) + n, each.stream, each.topic, each.message_id, chunk[0],
                    chunk[-1], text, each.attempt, each.delay_seconds,
                    "held" if each.topic == "send" and each.message_id in paused else "ready", chunk[0] - 1,
                )
                for n, (each, chunk, text) in enumerate(rows)
            ],
        )  # fmt: skip

    def paused(self, outcomes: Sequence[Outcome], held: frozenset[int]) -> frozenset[int]:
        """Return the paused messages: what is born of them now waits with the rest. A pause holds every
        item of its message, so only those of fenced items are asked about."""
        messages = {each.message_id for each in outcomes if each.item_id not in held}
        return frozenset(
            message
            for message in messages
            if self._connection.execute(_HELD, (self._tenant, message)).fetchone() is not None
        )

    def suppressed(self, intents: Sequence[int], stream: Stream) -> dict[int, str]:
        """Return which intents may not be mailed any more, and why."""
        if not intents:
            return {}
        ids = msgspec.json.encode(intents).decode()
        return dict(self._connection.execute(_SUPPRESSED[stream], {"ids": ids, "tenant": self._tenant}))
