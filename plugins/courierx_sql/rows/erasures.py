"""A person taken out of every table of a tenant (SECURITY: S24)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, Text, and_, cast, func, or_, select

from courierx_core.delivery.model import OPEN, moved
from courierx_core.imports.model import OPEN as OPEN_IMPORTS
from courierx_core.ports.erasures import Erased
from courierx_sql.accessor import TENANT, Accessor
from courierx_sql.clock import now
from courierx_sql.rows import counters
from courierx_sql.rows.forgetting import forget_contents
from courierx_sql.tables import (
    attempts,
    deliveries,
    erasure_keys,
    events,
    frozen_reports,
    idempotency_keys,
    import_errors,
    imports,
    opt_ins,
    subscribers,
    subscriptions,
    suppressions,
    webhook_calls,
    work,
)

_KEPT_DETAIL = ("status", "bounce", "provider_id")
"""What of an event tells of the mail, and nothing of the person."""


_KEY = select(erasure_keys.c.secret).where(erasure_keys.c.tenant_id == TENANT)


class ErasureRows:
    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant
        is_sqlite = tenant.connection.dialect.name == "sqlite"
        self._find = func.instr if is_sqlite else func.strpos

    def key(self) -> bytes | None:
        found = self._tenant.run(_KEY).scalar_one_or_none()
        return None if found is None else bytes(found)

    def keep_key(self, sealed: bytes) -> bytes:
        new = self._tenant.insert(erasure_keys).values(secret=sealed)
        self._tenant.execute(new.on_conflict_do_nothing())
        found = self.key()
        assert found is not None
        return found

    def hinders(self, address: str) -> str:
        making = self._lock(work.c.topic.in_(("snapshot", "import")))
        columns = imports.c
        taken_in = self._tenant.select(imports, columns.id).where(columns.state.in_(OPEN_IMPORTS))
        import_id = self._tenant.execute(taken_in.order_by(columns.id).limit(1)).scalar_one_or_none()
        if import_id is not None:
            return f"Import {import_id} is not over and may hold the address"
        sending = [
            and_(work.c.subject_id == each.message_id, work.c.lo <= each.id, work.c.hi >= each.id)
            for each in self._deliveries(address)
            if each.state in OPEN
        ]
        if sending:
            making = [*making, *self._lock(work.c.topic == "send", or_(*sending))]
        leased = next((item for item in making if item.lease_until is not None), None)
        return "" if leased is None else f"Message {leased.subject_id} is just being sent to the address"

    def erase(self, address: str) -> Erased:
        of_them = self._deliveries(address)
        ids = [each.id for each in of_them]
        done = Erased(
            messages=forget_contents(self._tenant, address, {each.message_id for each in of_them}),
            events=self._forget_events(address, ids),
            subscribers=self._remove_person(address),
            deliveries=len(ids),
            opt_ins=self._remove(opt_ins, opt_ins.c.email == address),
            import_errors=self._remove(import_errors, self._names(address, import_errors, "email", "reason")),
            answers=self._forget_answers(address),
        )
        self._forget_told(address)
        self._forget_examples(address)
        self._close(of_them)
        self._tenant.execute(
            self._tenant.update(attempts).where(attempts.c.delivery_id.in_(ids)).values(reply="")
        )
        blank = {"address": "", "reply": "", "subscriber_id": None}
        self._tenant.execute(self._tenant.update(deliveries).where(deliveries.c.id.in_(ids)).values(**blank))
        self._remove(suppressions, suppressions.c.address == address)
        return done

    def _deliveries(self, address: str) -> Sequence[Row[Any]]:
        columns = deliveries.c
        found = self._tenant.select(deliveries, columns.id, columns.message_id, columns.state)
        return self._tenant.execute(found.where(columns.address == address).order_by(columns.id)).all()

    def _lock(self, *conditions: ColumnElement[bool]) -> Sequence[Row[Any]]:
        """Keep work items that are not done as they are: nobody claims one until the unit ends."""
        items = self._tenant.select(work, work.c.id, work.c.subject_id, work.c.lease_until)
        found = items.where(work.c.state != "done", *conditions).order_by(work.c.id)
        return self._tenant.execute(found.with_for_update()).all()

    def _close(self, of_them: Sequence[Row[Any]]) -> None:
        waiting = [each for each in of_them if each.state in OPEN]
        gone = self._tenant.update(deliveries).where(deliveries.c.id.in_([each.id for each in waiting]))
        self._tenant.execute(gone.values(state="cancelled", updated_at=now()))
        for each in waiting:
            counters.change(self._tenant, each.message_id, moved({}, each.state, "cancelled"))

    def _forget_events(self, address: str, delivery_ids: Sequence[int]) -> int:
        columns = events.c
        theirs = or_(columns.recipient == address, columns.delivery_id.in_(delivery_ids))
        found = self._tenant.select(events, columns.id, columns.at, columns.event_key, columns.detail)
        rows = self._tenant.execute(found.where(theirs)).all()
        for row in rows:
            this = self._tenant.update(events).where(columns.id == row.id, columns.at == row.at)
            self._tenant.execute(
                this.values(
                    recipient="",
                    event_key=_hidden(row.event_key, address),
                    detail={name: row.detail[name] for name in _KEPT_DETAIL if name in row.detail},
                )
            )
        return len(rows)

    def _remove_person(self, address: str) -> int:
        this = subscribers.c.email == address
        person = self._tenant.execute(
            self._tenant.select(subscribers, subscribers.c.id).where(this)
        ).scalar_one_or_none()
        if person is None:
            return 0
        self._remove(subscriptions, subscriptions.c.subscriber_id == person)
        return self._remove(subscribers, this)

    def _forget_answers(self, address: str) -> int:
        """Keep that it was answered, so that a repeat does nothing, and not what."""
        body: ColumnElement[Any] = idempotency_keys.c.body
        if self._tenant.connection.dialect.name != "sqlite":
            body = func.convert_from(body, "UTF8")
        naming = self._tenant.update(idempotency_keys).where(self._find(func.lower(body), address) > 0)
        return self._tenant.execute(naming.values(body=b"{}")).rowcount

    def _forget_told(self, address: str) -> None:
        """Keep when a receiver was called and how that went, without the words that name the person."""
        calls = webhook_calls.c
        telling = self._tenant.select(webhook_calls, calls.id, calls.attempts)
        for row in self._tenant.execute(telling.where(self._within(calls.attempts, address))).all():
            kept = [_silent(attempt, address) for attempt in row.attempts]
            this = self._tenant.update(webhook_calls).where(calls.id == row.id)
            self._tenant.execute(this.values(attempts=kept))

    def _forget_examples(self, address: str) -> None:
        """In reports of mail that is no longer kept, the words of the far side may name somebody."""
        frozen = frozen_reports.c
        told = self._tenant.select(frozen_reports, frozen.message_id, frozen.report)
        for row in self._tenant.execute(told.where(self._within(frozen.report, address))).all():
            kept = {
                name: [_silent(each, address) for each in row.report[name]] for name in ("reasons", "links")
            }
            this = self._tenant.update(frozen_reports).where(frozen.message_id == row.message_id)
            self._tenant.execute(this.values(report={**row.report, **kept}))

    def _within(self, column: ColumnElement[Any], address: str) -> ColumnElement[bool]:
        return self._find(func.lower(cast(column, Text)), address) > 0

    def _names(self, address: str, table: Table, *names: str) -> ColumnElement[bool]:
        return or_(*(self._find(func.lower(table.c[name]), address) > 0 for name in names))

    def _remove(self, table: Table, *conditions: ColumnElement[bool]) -> int:
        return self._tenant.execute(self._tenant.delete(table).where(*conditions)).rowcount


def _silent(fields: dict[str, Any], address: str) -> dict[str, Any]:
    """Blank the texts that hold the address."""
    return {
        name: "" if isinstance(value, str) and address in value.lower() else value
        for name, value in fields.items()
    }


def _hidden(key: str, address: str) -> str:
    """Make another name of the same occurrence where its own name holds the address."""
    return hashlib.sha256(key.encode()).hexdigest() if address in key.lower() else key
