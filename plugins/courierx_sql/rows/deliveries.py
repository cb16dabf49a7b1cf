"""Deliveries as use cases see them; the ledger moves them while they are sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import func

from courierx_core.audience.model import Audience
from courierx_core.delivery.log import LogLine, LogStatus
from courierx_core.delivery.model import (
    OPEN,
    RESENDABLE,
    STATES,
    Delivery,
    DeliveryState,
    Pace,
    evidence,
    moved,
)
from courierx_core.feedback.model import Event
from courierx_core.messages.model import Message
from courierx_core.ports.reports import Reason
from courierx_core.ports.store import SnapshotStep
from courierx_core.work import OF_MESSAGE
from courierx_sql.clock import now
from courierx_sql.rows import counters, log
from courierx_sql.rows.audience import next_members
from courierx_sql.rows.cancel import cancel_open
from courierx_sql.rows.pace import pace
from courierx_sql.rows.send_items import queue, requeue
from courierx_sql.rows.slice import Slice, check_limit
from courierx_sql.rows.suppressed import causes
from courierx_sql.tables import deliveries, work

ARRIVING = tuple(
    state for state in STATES if state != "delivered" and evidence(state, "delivered") == "delivered"
)
WELL: tuple[DeliveryState, ...] = (*OPEN, "accepted", "delivered")


class DeliveryRows(Slice[Delivery]):
    table = deliveries
    struct = Delivery
    noun = "delivery"

    def snapshot(self, message: Message, audience: Audience, *, after: int, limit: int) -> SnapshotStep:
        if not 1 <= limit <= 50_000:
            raise ValueError(f"A snapshot's chunk is 1 to 50,000 subscribers, not {limit}.")
        place = self._tenant.connection, self._tenant.tenant_id
        if audience.segment is None:
            return self._tenant.sets.snapshot(*place, message, audience, after=after, limit=limit)
        ids = next_members(self._tenant, audience, after=after, limit=limit)
        if not ids:
            return SnapshotStep(after, False, {})
        step = self._tenant.sets.snapshot(*place, message, audience, after=after, limit=limit, ids=ids)
        # who was removed since they were chosen is the only one missing
        return SnapshotStep(ids[-1], len(ids) == limit, step.counts)

    def add(
        self,
        message: Message,
        addresses: Sequence[str],
        *,
        subscriber_ids: Sequence[int | None] = (),
        barred: Collection[str] = (),
    ) -> Sequence[Delivery]:
        if not addresses:
            return []
        people = [*subscriber_ids, *[None] * (len(addresses) - len(subscriber_ids))]
        listed = causes(self._tenant, message.stream, addresses, people)
        cause = [
            each or ("manual" if address in barred else "")
            for address, each in zip(addresses, listed, strict=True)
        ]
        first = self._tenant.reserve(deliveries, len(addresses))
        rows: list[dict[str, Any]] = [
            {
                "id": first + n,
                "subscriber_id": person,
                "address": address,
                "state": "suppressed" if cause[n] else "queued",
                "reason": cause[n],
            }
            for n, (address, person) in enumerate(zip(addresses, people, strict=True))
        ]
        with self._unique(f"A recipient of message {message.id} has a delivery of it already."):
            self._tenant.execute(
                self._tenant.insert(deliveries).values(message_id=message.id, updated_at=now()), rows
            )
        queue(self._tenant, message, rows)
        made = self._tenant.select(deliveries).where(deliveries.c.id.between(first, first + len(rows) - 1))
        return [self._read(row._mapping) for row in self._tenant.execute(made.order_by(deliveries.c.id))]

    def lock(self, delivery_id: int) -> Delivery:
        statement = self._tenant.select(deliveries).where(deliveries.c.id == delivery_id).with_for_update()
        row = self._tenant.execute(statement).one_or_none()
        if row is None:
            raise self._missing(delivery_id)
        return self._read(row._mapping)

    def some(self, delivery_ids: Collection[int]) -> Sequence[Delivery]:
        rows = self._tenant.execute(
            self._tenant.select(deliveries).where(deliveries.c.id.in_(sorted(delivery_ids)))
        )
        return [self._read(row._mapping) for row in rows]

    def arrive(self, delivery_ids: Collection[int]) -> Set[int]:
        columns = deliveries.c
        free = self._tenant.select(deliveries, columns.id, columns.message_id, columns.state).where(
            columns.id.in_(sorted(delivery_ids)), columns.state.in_(ARRIVING)
        )
        rows = self._tenant.execute(free.order_by(columns.id).with_for_update(skip_locked=True)).all()
        if not rows:
            return frozenset()
        self._tenant.execute(
            self._tenant.update(deliveries)
            .where(columns.id.in_([row.id for row in rows]))
            .values(
                state="delivered",
                reason="",
                status="",
                sent_at=func.coalesce(columns.sent_at, now()),
                updated_at=now(),
            )
        )
        changes: dict[int, dict[str, int]] = {}
        for row in rows:
            changes[row.message_id] = moved(changes.get(row.message_id, {}), row.state, "delivered")
        for message_id, change in sorted(changes.items()):
            counters.change(self._tenant, message_id, change)
        return {row.id for row in rows}

    def prove(self, delivery: Delivery, state: DeliveryState, event: Event) -> None:
        self._update(
            delivery.id,
            {
                "state": state,
                "reason": event.bounce or "" if state == "bounced" else "",
                "status": event.status,
                "reply": event.reply or delivery.reply,
                "provider_id": delivery.provider_id or event.provider_id,
                "sent_at": func.coalesce(deliveries.c.sent_at, now()),
            },
        )
        counters.change(self._tenant, delivery.message_id, moved({}, delivery.state, state))

    def list(
        self,
        *,
        message_id: int | None = None,
        state: DeliveryState | None = None,
        address: str | None = None,
        since: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]:
        conditions = [
            deliveries.c[name] == value
            for name, value in (("message_id", message_id), ("state", state), ("address", address))
            if value is not None
        ]
        if since is not None:
            conditions.append(deliveries.c.updated_at >= since)
        return self._page(before, limit, *conditions)

    def log(
        self,
        *,
        delivery_id: int | None = None,
        message_id: int | None = None,
        status: LogStatus | None = None,
        address: str | None = None,
        since: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[LogLine]:
        check_limit(limit)
        return log.read(
            self._tenant,
            delivery_id=delivery_id,
            message_id=message_id,
            status=status,
            address=address,
            since=since,
            before=before,
            limit=limit,
        )

    def totals(self, message_id: int) -> dict[str, int]:
        sums = Counter(counters.read(self._tenant, message_id))
        items = self._tenant.select(work, work.c.counts).where(
            work.c.subject_id == message_id, work.c.topic.in_(OF_MESSAGE)
        )
        for counts in self._tenant.execute(items).scalars():
            sums.update(counts)
        return {kind: n for kind, n in sums.items() if n}

    def pace(self, message_id: int) -> Pace:
        return pace(self._tenant, message_id)

    def recount(self, message_id: int) -> dict[str, int]:
        statement = (
            self._tenant.select(deliveries, deliveries.c.state, func.count().label("n"))
            .where(deliveries.c.message_id == message_id)
            .group_by(deliveries.c.state)
        )
        rows = self._tenant.execute(statement).all()
        return {row.state: row.n for row in rows}

    def reasons(self, message_id: int, *, limit: int = 20) -> Sequence[Reason]:
        columns, n = deliveries.c, func.count().label("n")
        group = (columns.state, columns.status, columns.reason)
        statement = (
            self._tenant.select(deliveries, *group, n, func.max(columns.reply))
            .where(columns.message_id == message_id, columns.state.not_in(WELL))
            .group_by(*group)
            .order_by(n.desc(), *group)
            .limit(limit)
        )
        return [Reason(*tuple(row)) for row in self._tenant.execute(statement)]

    def requeue(
        self,
        message_id: int,
        delivery_ids: Sequence[int],
        *,
        states: Collection[DeliveryState] = RESENDABLE,
    ) -> Sequence[int]:
        return requeue(self._tenant, message_id, delivery_ids, states)

    def cancel_open(self, message_id: int) -> int:
        return cancel_open(self._tenant, message_id)
