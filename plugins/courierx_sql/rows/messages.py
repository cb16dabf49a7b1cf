"""Messages: frozen content, written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Exists, RowMapping, and_, exists, func, null, or_

from courierx_core.delivery.model import OPEN
from courierx_core.errors import Conflict
from courierx_core.messages.model import Content, Message, MessageSummary
from courierx_core.ports.transport import Attachment
from courierx_core.work import OF_MESSAGE
from courierx_sql.clock import now
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import campaigns, deliveries, messages, work

_SHOWN = ("from_email", "from_name", "to", "subject", "tags", "metadata")
"""What of the content a list reads; bodies and files stay where they are."""


class MessageRows(Slice[Message]):
    table = messages
    struct = Message
    noun = "message"

    def add(self, message: Message) -> Message:
        added = self._insert(message)
        if added is None:
            raise Conflict("A message with this id exists.")
        return added

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[MessageSummary]:
        columns = [column for column in messages.c if column.name in MessageSummary.__struct_fields__]
        parts = [messages.c.content[name].label(name) for name in _SHOWN]
        rows = self._tenant.execute(self._newest(before, limit, *columns, *parts))
        return [_summary(row._mapping) for row in rows]

    def note_cancelled(self, message_id: int) -> Message:
        noted = self._update(message_id, {"cancelled_at": now()})
        if noted is None:
            raise self._missing(message_id)
        return noted

    def complete(self, message_id: int) -> bool:
        return self._complete(message_id, now(), messages.c.completed_at.is_(None), ~self._open(message_id))

    def reopen(self, message_id: int) -> bool:
        return self._complete(
            message_id, null(), messages.c.completed_at.is_not(None), self._open(message_id)
        )

    def note_resent(self, message_id: int, count: int) -> Message:
        noted = self._update(message_id, {"resent": func.coalesce(messages.c.resent, 0) + count})
        if noted is None:
            raise self._missing(message_id)
        return noted

    def left_over(self, *, limit: int = 1000) -> Sequence[int]:
        gone = exists().where(
            self._tenant.owns(campaigns),
            campaigns.c.id == messages.c.campaign_id,
            campaigns.c.status == "cancelled",
        )
        waits = and_(work.c.state == "held", work.c.lease_until.is_(None))
        moving = self._items(messages.c.id).where(
            ~and_(waits, or_(messages.c.cancelled_at.is_not(None), gone))
        )
        statement = self._tenant.select(messages, messages.c.id).where(
            messages.c.completed_at.is_(None), ~moving
        )
        return self._tenant.execute(statement.order_by(messages.c.id).limit(limit)).scalars().all()

    def _complete(self, message_id: int, at: Any, *conditions: ColumnElement[bool]) -> bool:
        # the looks are inside the statement: nothing can open between looking and marking
        statement = self._tenant.update(messages).where(messages.c.id == message_id, *conditions)
        if self._tenant.execute(statement.values(completed_at=at)).rowcount:
            return True
        self.get(message_id)
        return False

    def _open(self, message_id: int) -> ColumnElement[bool]:
        """Tell, in a statement, whether a work item or a delivery of it is open."""
        delivery = exists().where(
            self._tenant.owns(deliveries),
            deliveries.c.message_id == message_id,
            deliveries.c.state.in_(OPEN),
        )
        return or_(self._items(message_id), delivery)

    def _items(self, message_id: int | ColumnElement[int]) -> Exists:
        """Tell, in a statement, whether a work item of it is open."""
        return exists().where(
            self._tenant.owns(work),
            work.c.subject_id == message_id,
            work.c.topic.in_(OF_MESSAGE),
            work.c.state != "done",
        )

    def _read(self, row: RowMapping) -> Message:
        return Message(**{**row, "content": _content(row["content"])})


def _summary(row: RowMapping) -> MessageSummary:
    return MessageSummary(**{**row, "to": tuple(row["to"]), "tags": tuple(row["tags"])})


def _content(stored: Mapping[str, Any]) -> Content:
    """Make the Struct by hand: msgspec cannot decode into the recursive type of `variables`."""
    fields = dict(stored)
    for name in ("to", "cc", "tags", "links"):
        fields[name] = tuple(fields[name])
    fields["headers"] = tuple((name, value) for name, value in fields["headers"])
    fields["attachments"] = msgspec.convert(fields["attachments"], tuple[Attachment, ...])
    return Content(**fields)
