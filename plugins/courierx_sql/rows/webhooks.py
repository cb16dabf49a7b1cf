"""Webhooks of a tenant, and what each is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import RowMapping, func

from courierx_core.errors import Conflict
from courierx_core.webhooks.model import Attempt, Call, CallState, Webhook
from courierx_sql.clock import now
from courierx_sql.columns import Utc
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import webhook_calls, webhooks


class WebhookRows(Slice[Webhook]):
    table = webhooks
    struct = Webhook
    noun = "webhook"

    def add(self, webhook: Webhook) -> Webhook:
        added = self._insert(webhook)
        if added is None:
            raise Conflict("A webhook with this id exists.")
        return added

    def lock(self, webhook_id: int) -> Webhook:
        self._check(webhook_id)
        held = self._tenant.select(webhooks).where(webhooks.c.id == webhook_id).with_for_update()
        row = self._tenant.execute(held).one_or_none()
        if row is None:
            raise self._missing(webhook_id)
        return self._read(row._mapping)

    def save(self, webhook: Webhook) -> Webhook:
        saved = self._update(webhook.id, self._values(webhook))
        if saved is None:
            raise self._missing(webhook.id)
        return saved

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Webhook]:
        return self._page(before, limit)

    def listening(self) -> Sequence[Webhook]:
        enabled = self._tenant.select(webhooks).where(webhooks.c.status == "enabled").order_by(webhooks.c.id)
        return [self._read(row._mapping) for row in self._tenant.execute(enabled)]

    def remove(self, webhook_id: int) -> None:
        super().remove(webhook_id)
        self._tenant.execute(
            self._tenant.delete(webhook_calls).where(webhook_calls.c.webhook_id == webhook_id)
        )

    def _values(self, value: Webhook) -> dict[str, Any]:
        return {**super()._values(value), "types": [*value.types]}

    def _read(self, row: RowMapping) -> Webhook:
        return Webhook(**{**row, "types": tuple(row["types"]), "secret": bytes(row["secret"])})


class WebhookCallRows(Slice[Call]):
    table = webhook_calls
    struct = Call
    noun = "webhook call"

    def add(self, calls: Sequence[Call]) -> None:
        first = self._tenant.reserve(webhook_calls, len(calls))
        added = self._tenant.insert(webhook_calls).values(due_at=now(), created_at=now())
        values = [
            {name: value for name, value in self._values(call).items() if name != "due_at"} for call in calls
        ]
        self._tenant.execute(added, [{"id": first + n, **each} for n, each in enumerate(values)])

    def due(self, webhook_id: int, *, limit: int) -> Sequence[Call]:
        columns = webhook_calls.c
        waiting = self._tenant.select(webhook_calls).where(
            columns.webhook_id == webhook_id, columns.state == "waiting", columns.due_at <= now()
        )
        rows = self._tenant.execute(waiting.order_by(columns.due_at, columns.id).limit(limit))
        return [self._read(row._mapping) for row in rows]

    def save(self, call: Call, *, delay_seconds: float) -> None:
        values = {**self._values(call), "due_at": now(delay_seconds)}
        if self._update(call.id, values) is None:
            raise self._missing(call.id)

    def next_due(self, webhook_id: int) -> float | None:
        columns = webhook_calls.c
        first = self._tenant.select(webhook_calls, func.min(columns.due_at, type_=Utc()).label("due")).where(
            columns.webhook_id == webhook_id, columns.state == "waiting"
        )
        row = self._tenant.execute(first.add_columns(now().label("present"))).one()
        return None if row.due is None else max((row.due - row.present).total_seconds(), 0.0)

    def list(
        self,
        webhook_id: int,
        *,
        state: CallState | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Call]:
        wanted = [webhook_calls.c.webhook_id == webhook_id]
        if state is not None:
            wanted.append(webhook_calls.c.state == state)
        return self._page(before, limit, *wanted)

    def let_go(self, webhook_id: int, *, before: datetime, waiting: bool = False) -> int:
        columns = webhook_calls.c
        old = self._tenant.delete(webhook_calls).where(
            columns.webhook_id == webhook_id, columns.created_at < before
        )
        return self._tenant.execute(old if waiting else old.where(columns.state != "waiting")).rowcount

    def _values(self, value: Call) -> dict[str, Any]:
        return {**super()._values(value), "attempts": msgspec.to_builtins(value.attempts)}

    def _read(self, row: RowMapping) -> Call:
        return Call(**{**row, "attempts": msgspec.convert(row["attempts"], tuple[Attempt, ...])})
