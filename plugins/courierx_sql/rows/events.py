"""Events: append-only, in partitions by month on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, RowMapping, case, distinct, false, func

from courierx_core.feedback.model import Event, FeedbackKind
from courierx_core.ports.reports import Tally
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import events

_IN_DETAIL = ("provider_id", "status", "reply", "bounce", "url", "user_agent", "raw")


class EventRows(Slice[Event]):
    table = events
    struct = Event
    noun = "event"

    def add(self, events_: Sequence[Event]) -> Sequence[Event]:
        known = self._known(events_)
        new: dict[tuple[Any, ...], Event] = {}
        for event in events_:
            if (identity := _identity(event)) not in known:
                new.setdefault(identity, event)
        if not new:
            return []
        first = self._tenant.reserve(events, len(new))
        rows = [{"id": first + n, **self._values(event)} for n, event in enumerate(new.values())]
        made = self._tenant.insert(events).returning(events, sort_by_parameter_order=True)
        return [self._read(row._mapping) for row in self._tenant.execute(made, rows)]

    def append(self, events_: Sequence[Event], *, again: bool = False) -> Sequence[Event]:
        known = self._known(events_) if again else frozenset()
        new = [event for event in events_ if _identity(event) not in known]
        if not new:
            return []
        first = self._tenant.reserve(events, len(new))
        rows = [{"id": first + n, **self._values(event)} for n, event in enumerate(new)]
        self._tenant.execute(self._tenant.insert(events), rows)
        return [msgspec.structs.replace(event, id=first + n) for n, event in enumerate(new)]

    def tally(self, message_id: int, *, since: datetime | None = None) -> Mapping[FeedbackKind, Tally]:
        columns = events.c
        person = columns.machine.is_(false())
        statement = (
            self._tenant.select(
                events,
                columns.kind,
                func.count().label("all"),
                func.count(case((person, 1))).label("human"),
                func.count(distinct(case((person, columns.delivery_id)))).label("people"),
            )
            .where(columns.message_id == message_id)
            .group_by(columns.kind)
        )
        if since is not None:
            statement = statement.where(columns.at >= since)
        rows = self._tenant.execute(statement).mappings()
        return {row["kind"]: Tally(row["all"], row["human"], row["people"]) for row in rows}

    def list(
        self,
        *,
        message_id: int | None = None,
        delivery_id: int | None = None,
        recipient: str | None = None,
        kinds: Sequence[FeedbackKind] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Event]:
        given = (("message_id", message_id), ("delivery_id", delivery_id), ("recipient", recipient))
        conditions: list[ColumnElement[bool]] = [
            events.c[name] == value for name, value in given if value is not None
        ]
        if kinds:
            conditions.append(events.c.kind.in_(kinds))
        if since is not None:
            conditions.append(events.c.at >= since)
        if until is not None:
            conditions.append(events.c.at < until)
        return self._page(before, limit, *conditions)

    def some(self, ids: Sequence[int]) -> Sequence[Event]:
        """Return those of the ids that there are."""
        rows = self._tenant.execute(self._tenant.select(events).where(events.c.id.in_(ids)))
        return [self._read(row._mapping) for row in rows]

    def let_go(self, *, ids: Sequence[int] = (), before: datetime | None = None) -> int:
        old = events.c.id.in_(ids) if before is None else events.c.at < before
        gone = self._tenant.delete(events).where(events.c.delivery_id.is_(None), old)
        return self._tenant.execute(gone).rowcount

    def _known(self, events_: Sequence[Event]) -> set[tuple[Any, ...]]:
        columns = events.c
        look = self._tenant.select(
            events, columns.delivery_id, columns.recipient, columns.kind, columns.event_key
        ).where(columns.event_key.in_({event.event_key for event in events_}))
        found: set[tuple[Any, ...]] = set()
        about = {event.delivery_id for event in events_ if event.delivery_id is not None}
        if about:
            found |= {tuple(row) for row in self._tenant.execute(look.where(columns.delivery_id.in_(about)))}
        people = {event.recipient for event in events_ if event.delivery_id is None}
        if people:
            nothing = look.where(columns.delivery_id.is_(None), columns.recipient.in_(people))
            found |= {tuple(row) for row in self._tenant.execute(nothing)}
        return {(delivery, "" if delivery else person, kind, key) for delivery, person, kind, key in found}

    def _values(self, value: Event) -> dict[str, Any]:
        values = super()._values(value)
        values["detail"] = {name: values.pop(name) for name in _IN_DETAIL}
        return {**values, "detail": {name: each for name, each in values["detail"].items() if each}}

    def _read(self, row: RowMapping) -> Event:
        fields = dict(row)
        return Event(**fields.pop("detail"), **fields)


def _identity(event: Event) -> tuple[Any, ...]:
    person = "" if event.delivery_id else event.recipient
    return event.delivery_id, person, event.kind, event.event_key
