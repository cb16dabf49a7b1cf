"""Messages: frozen content, written once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import RowMapping, exists

from courierx_core.errors import Conflict
from courierx_core.messages.model import Content, Message
from courierx_core.ports.transport import Attachment
from courierx_sql.clock import now
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import deliveries, messages, work


class MessageRows(Slice[Message]):
    table = messages
    struct = Message
    noun = "message"

    def add(self, message: Message) -> Message:
        added = self._insert(message)
        if added is None:
            raise Conflict("A message with this id exists.")
        return added

    def complete(self, message_id: int) -> bool:
        # both looks are inside the statement: nothing can open between looking and marking
        open_item = exists().where(
            self._tenant.owns(work),
            work.c.subject_id == message_id,
            work.c.topic.in_(("snapshot", "send")),
            work.c.state != "done",
        )
        open_delivery = exists().where(
            self._tenant.owns(deliveries),
            deliveries.c.message_id == message_id,
            deliveries.c.state.in_(("queued", "deferred")),
        )
        statement = (
            self._tenant.update(messages)
            .where(messages.c.id == message_id, messages.c.completed_at.is_(None), ~open_item, ~open_delivery)
            .values(completed_at=now())
        )
        if self._tenant.execute(statement).rowcount:
            return True
        self.get(message_id)
        return False

    def reopen(self, message_id: int) -> None:
        """Take back the completion: deliveries of it are open again."""
        self._update(message_id, {"completed_at": None})

    def _read(self, row: RowMapping) -> Message:
        return Message(**{**row, "content": _content(row["content"])})


def _content(stored: Mapping[str, Any]) -> Content:
    """Make the Struct by hand: msgspec cannot decode into the recursive type of `variables`."""
    fields = dict(stored)
    for name in ("to", "cc", "tags", "links"):
        fields[name] = tuple(fields[name])
    fields["headers"] = tuple((name, value) for name, value in fields["headers"])
    fields["attachments"] = msgspec.convert(fields["attachments"], tuple[Attachment, ...])
    return Content(**fields)
