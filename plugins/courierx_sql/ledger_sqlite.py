"""SQLite's ledger: raw sqlite3 on a connection of its own, one short BEGIN IMMEDIATE per call.

Raw SQL, unseen by the tenant guard: every statement that reads or writes a tenant's rows names
`tenant_id`; the few that choose a tenant (claim, sweep, renew, next_due) walk the partial indexes
`work_ready` and `work_leases` and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from courierx_core.errors import StoreError
from courierx_core.messages.model import Recipient
from courierx_core.ports.ledger import FollowUp, ItemMove, Outcome, Swept, WindowAnswer
from courierx_core.ports.transport import Stream
from courierx_core.work import Topic, WorkItem
from courierx_sql import claims_sqlite, sweeps_sqlite, windows_sqlite
from courierx_sql.causes_sqlite import cause
from courierx_sql.pragmas import BUSY_SECONDS, explain, prepare

_NO_ATTRIBUTES: MappingProxyType[str, Any] = MappingProxyType({})


def _read_sql(stream: Stream, *, listed: bool) -> str:
    source = "json_each(:ids) j CROSS JOIN deliveries d ON d.tenant_id = :tenant AND d.id = j.value"
    covered = "d.id > :after" if listed else "d.id > max(:after, :lo - 1) AND d.id <= :hi"
    why = cause(stream, tenant=":tenant", address="d.address", status="p.status")
    return f"""
    SELECT d.id, d.message_id, d.address, d.state, d.tries, coalesce(p.first_name, ''),
           coalesce(p.last_name, ''), p.attributes, {windows_sqlite.gone(stream, why)}
    FROM {source if listed else "deliveries d"}
    LEFT JOIN subscribers p ON p.tenant_id = :tenant AND p.id = d.subscriber_id
    WHERE d.tenant_id = :tenant AND {covered} AND d.attempt < :attempt AND d.state IN ('queued', 'deferred')
    ORDER BY d.id LIMIT :limit
    """


_STREAMS: tuple[Stream, ...] = ("transactional", "broadcast")
_READ = {(each, listed): _read_sql(each, listed=listed) for each in _STREAMS for listed in (False, True)}


class SqliteLedger:
    """`ports.ledger.Ledger` on one file. One thread at a time; any number of instances."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # autocommit: transactions are begun and ended here, never by the driver
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            prepare(self._connection)
        except sqlite3.OperationalError as error:
            raise StoreError(explain(error, path)) from error

    def claim(
        self,
        owner: str,
        *,
        limit: int,
        lease_seconds: float,
        topics: Sequence[Topic],
        stream: Stream | None = None,
        subject_id: int | None = None,
    ) -> list[WorkItem]:
        if not topics or limit < 1:
            return []
        choice = claims_sqlite.Choice(topics, stream, subject_id)
        with self._translated():
            # an idle worker asks often, and asking takes no lock
            if choice.next(self._connection) is None:
                return []
        with self._transaction():
            return choice.claim(self._connection, owner, limit, lease_seconds)

    def renew(self, owner: str, *, lease_seconds: float) -> frozenset[int]:
        with self._transaction():
            return claims_sqlite.renew(self._connection, owner, lease_seconds)

    def read(self, item: WorkItem, *, after: int, limit: int) -> list[Recipient]:
        values: dict[str, Any] = {"tenant": item.tenant_id, "after": after, "attempt": item.attempt}
        values["limit"] = limit
        if item.ids is None:
            values |= {"lo": item.lo, "hi": item.hi}
        else:
            values["ids"] = msgspec.json.encode(item.ids).decode()
        with self._translated():
            rows = self._connection.execute(_READ[item.stream, item.ids is not None], values).fetchall()
        decode = msgspec.json.decode
        return [
            Recipient(
                number,
                message,
                address,
                state,
                tries,
                first,
                last,
                _NO_ATTRIBUTES if attributes is None or attributes == "{}" else decode(attributes),
                why or "",
            )
            for number, message, address, state, tries, first, last, attributes, why in rows
        ]

    def window(
        self,
        tenant_id: int,
        moves: Sequence[ItemMove],
        outcomes: Sequence[Outcome] = (),
        intents: Sequence[int] = (),
        follow_ups: Sequence[FollowUp] = (),
        stream: Stream = "broadcast",
    ) -> WindowAnswer:
        run = windows_sqlite.Window(self._connection, tenant_id)
        with self._transaction():
            held = run.move(moves)
            took = run.record(outcomes, held)
            if follow_ups:
                run.follow_up(follow_ups, took, run.paused(outcomes, held))
            suppressed = run.suppressed(intents, stream)
        return WindowAnswer(held, suppressed)

    def sweep(self, *, limit: int = 100) -> list[Swept]:
        with self._translated():
            if not sweeps_sqlite.expired(self._connection, 1):
                return []
        with self._transaction():
            return sweeps_sqlite.sweep(self._connection, limit)

    def next_due(self, *, topics: Sequence[Topic], stream: Stream | None = None) -> float | None:
        with self._translated():
            return claims_sqlite.next_due(self._connection, topics, stream)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreError(explain(error, self._path)) from error
