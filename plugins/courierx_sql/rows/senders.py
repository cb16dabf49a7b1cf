"""Senders of a tenant, by unique address."""

from __future__ import annotations

from collections.abc import Sequence

from courierx_core.errors import Conflict
from courierx_core.senders.model import Sender
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import senders


class SenderRows(Slice[Sender]):
    table = senders
    struct = Sender
    noun = "sender"

    def add(self, sender: Sender) -> Sender:
        added = self._insert(sender)
        if added is None:
            raise Conflict(f"The sender {sender.email} exists.")
        return added

    def by_email(self, email: str) -> Sender | None:
        found = self._page(None, 1, senders.c.email == email)
        return found[0] if found else None

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Sender]:
        return self._page(before, limit)

    def save(self, sender: Sender) -> Sender:
        saved = self._update(sender.id, self._values(sender))
        if saved is None:
            raise self._missing(sender.id)
        return saved
