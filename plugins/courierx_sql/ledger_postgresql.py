"""The ledger on PostgreSQL: psycopg itself, one connection, each call one round trip and one commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import set_json_loads

from courierx_core.errors import StoreError
from courierx_core.messages.model import Recipient
from courierx_core.ports.ledger import FollowUp, ItemMove, Ledger, Outcome, Swept, WindowAnswer
from courierx_core.ports.transport import Stream
from courierx_core.work import SEND_ITEM_MAX, Topic, WorkItem
from courierx_sql import ledger_statements as sql
from courierx_sql.arrays import Packed, float8s, int8s, texts
from courierx_sql.prepared import Prepared

_ITEM = WorkItem.__struct_fields__
_OUTCOME = len(Outcome.__struct_fields__)
_NUMBERS = frozenset(
    at for at, name in enumerate(Outcome.__struct_fields__)
    if name in ("id", "item_id", "message_id", "attempt", "tries")
)  # fmt: skip


# A window took 3.8 ms with custom plans, 1.4-1.8 with pinned ones. A pinned plan must not have been made
# for tables that were still small, or before their first ANALYZE: every join here is rows from an array
# into an index, so nothing else is on offer.
_PLANS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "enable_sort": "off",
    "jit": "off",
}

# Where a server does not wait for its disk, a crash of it takes back intents whose mail has left and answers
# that nobody has any more: rows were left queued under an item that was done. Stronger settings stay.
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)


class _Unusual(Exception):
    """Something is not as it was read, or an item is not ours any more; nothing was written."""


class PostgresLedger(Ledger):
    """Connects when first used, and again after a connection was lost: that call raises StoreError."""

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], explain: Callable[[Exception], str]
    ) -> None:
        self._connect = connect
        self._explain = explain
        self._prepared: Prepared | None = None

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
        if limit < 1 or not topics:
            return []
        values = (owner, _streams(stream), texts(topics), subject_id, limit, lease_seconds)
        rows = self._above(sql.CLAIM, values)
        return [_item(row) for row in rows]

    def renew(self, owner: str, *, lease_seconds: float) -> frozenset[int]:
        rows = self._above(sql.RENEW, (owner, lease_seconds))
        return frozenset(row[0] for row in rows)

    def read(self, item: WorkItem, *, after: int, limit: int) -> list[Recipient]:
        listed = item.ids is not None
        covers = int8s(item.ids) if item.ids is not None else item.hi
        rows = self._inside(
            item.tenant_id,
            sql.READ_LIST if listed else sql.READ_RANGE,
            (
                item.tenant_id,
                after if listed else max(after, item.lo - 1),
                covers,
                item.attempt,
                item.stream,
                limit,
            ),
        )
        return [Recipient(*row) for row in rows]

    def window(
        self,
        tenant_id: int,
        moves: Sequence[ItemMove],
        outcomes: Sequence[Outcome] = (),
        intents: Sequence[int] = (),
        follow_ups: Sequence[FollowUp] = (),
        stream: Stream = "broadcast",
    ) -> WindowAnswer:
        values = (
            tenant_id,
            int8s([move.id for move in moves]),
            int8s([move.epoch for move in moves]),
            int8s([move.cursor for move in moves]),
            texts([msgspec.json.encode(move.counts).decode() for move in moves]),
            texts([move.state for move in moves]),
            float8s([move.delay_seconds for move in moves]),
            *_columns(outcomes),
            int8s(intents),
            stream,
            *(_follow_ups(follow_ups) if follow_ups else ()),
        )
        # An answer whose item is not moved here is counted by itself, and a follow-up without its answer is
        # not born, neither of which a usual window sees to.
        answered = {each.id for each in outcomes}
        if {each.item_id for each in outcomes} <= {move.id for move in moves} and all(
            answered.issuperset(each.ids) for each in follow_ups
        ):
            try:
                barred = self._inside(tenant_id, _usual(outcomes, follow_ups), values)
            except _Unusual:
                pass
            else:
                return WindowAnswer(frozenset(move.id for move in moves), dict(barred))
        statement = sql.WINDOW_WITH_FOLLOW_UPS if follow_ups else sql.WINDOW
        rows = self._inside(tenant_id, statement, values)
        return WindowAnswer(
            frozenset(id_ for id_, cause in rows if cause is None),
            {id_: cause for id_, cause in rows if cause is not None},
        )

    def sweep(self, *, limit: int = 100) -> list[Swept]:
        swept = []
        for tenant_id, item_id in self._above(sql.EXPIRED, (limit,)):
            # rare, and its joins leave a choice of index that is right only for the size at hand
            rows = self._inside(tenant_id, sql.SWEEP, (tenant_id, item_id), pinned=False)
            swept += [Swept(*row) for row in rows]
        return swept

    def next_due(self, *, topics: Sequence[Topic], stream: Stream | None = None) -> float | None:
        rows = self._above(sql.NEXT_DUE, (_streams(stream), texts(topics)))
        return float(rows[0][0]) if rows else None

    def close(self) -> None:
        if self._prepared is not None:
            self._prepared.connection.close()
            self._prepared = None

    def _above(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._run(None, statement, values)

    def _inside(
        self, tenant_id: int, statement: str, values: Sequence[Any], *, pinned: bool = True
    ) -> list[tuple[Any, ...]]:
        return self._run(tenant_id, statement, values, pinned)

    def _run(
        self, tenant_id: int | None, statement: str, values: Sequence[Any], pinned: bool = True
    ) -> list[tuple[Any, ...]]:
        try:
            prepared = self._connected()
            prepared.bind(tenant_id)
            return prepared.run(statement, values, pinned=pinned)
        except psycopg.Error as error:
            if sql.SURPRISED in str(error):
                raise _Unusual from error
            self.close()
            raise StoreError(self._explain(error)) from error

    def _connected(self) -> Prepared:
        if self._prepared is None:
            connection = self._connect()
            for setting, value in _PLANS.items():
                connection.execute(f"SET {setting} = {value}".encode())
            connection.execute(_DURABLE)
            set_json_loads(msgspec.json.decode, connection)
            self._prepared = Prepared(connection)
        return self._prepared


def _streams(stream: Stream | None) -> Packed:
    return texts([stream] if stream else ["transactional", "broadcast"])


def _item(row: tuple[Any, ...]) -> WorkItem:
    values = dict(zip(_ITEM, row, strict=True))
    if values["ids"] is not None:
        values["ids"] = tuple(values["ids"])
    return WorkItem(**values)


def _usual(outcomes: Sequence[Outcome], follow_ups: Sequence[FollowUp]) -> str:
    """Choose the least that does it: what is not in a statement needs no setting up."""
    if follow_ups:
        return sql.USUAL_WINDOW_WITH_FOLLOW_UPS
    noted = any(each.tries and each.state != "accepted" for each in outcomes)
    return sql.USUAL_WINDOW_WITH_ATTEMPTS if noted else sql.USUAL_WINDOW


def _columns(outcomes: Sequence[Outcome]) -> list[Packed]:
    """Turn outcomes into one array per field, ordered by id so that two windows never deadlock."""
    rows = sorted(map(msgspec.structs.astuple, outcomes))
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * _OUTCOME
    return [int8s(column) if at in _NUMBERS else texts(column) for at, column in enumerate(columns)]


def _follow_ups(follow_ups: Sequence[FollowUp]) -> tuple[Any, ...]:
    items = [
        (each, each.ids[at : at + SEND_ITEM_MAX])
        for each in follow_ups
        for at in range(0, len(each.ids), SEND_ITEM_MAX)
    ]
    return (
        int8s([each.message_id for each, _ in items]),
        texts([each.stream for each, _ in items]),
        texts(["{" + ",".join(map(str, ids)) + "}" for _, ids in items]),
        int8s([each.attempt for each, _ in items]),
        float8s([each.delay_seconds for each, _ in items]),
        texts([each.topic for each, _ in items]),
    )
