"""Subscribers, once per tenant and address."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func

from courierx_core.audience.model import Audience, ImportCounts, NewSubscriber, Subscriber, SubscriberStatus
from courierx_core.errors import Conflict, NotFound
from courierx_sql.rows.audience import members
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import lists, subscribers, subscriptions


class SubscriberRows(Slice[Subscriber]):
    table = subscribers
    struct = Subscriber
    noun = "subscriber"

    def add(self, subscriber: Subscriber) -> Subscriber:
        added = self._insert(subscriber)
        if added is None:
            raise Conflict(_taken(subscriber))
        return added

    def by_email(self, email: str) -> Subscriber | None:
        found = self._page(None, 1, subscribers.c.email == email)
        return found[0] if found else None

    def list(
        self, *, before: int | None = None, limit: int = 100, status: SubscriberStatus | None = None
    ) -> Sequence[Subscriber]:
        return self._page(before, limit, *([] if status is None else [subscribers.c.status == status]))

    def save(self, subscriber: Subscriber) -> Subscriber:
        with self._unique(_taken(subscriber)):
            saved = self._update(subscriber.id, self._values(subscriber))
        if saved is None:
            raise self._missing(subscriber.id)
        return saved

    def remove(self, subscriber_id: int) -> None:
        super().remove(subscriber_id)
        self._tenant.execute(
            self._tenant.delete(subscriptions).where(subscriptions.c.subscriber_id == subscriber_id)
        )

    def count(self, audience: Audience) -> int:
        statement = self._tenant.select(subscribers, func.count()).where(*members(self._tenant, audience))
        return int(self._tenant.execute(statement).scalar_one())

    def import_rows(
        self, rows: Sequence[NewSubscriber], *, update: bool = False, list_id: int | None = None
    ) -> ImportCounts:
        if list_id is not None:
            on_list = self._tenant.select(lists, lists.c.id).where(lists.c.id == list_id)
            if self._tenant.execute(on_list).one_or_none() is None:
                raise NotFound(f"No list {list_id}.")
        return self._tenant.sets.import_rows(
            self._tenant.connection, self._tenant.tenant_id, rows, update=update, list_id=list_id
        )


def _taken(subscriber: Subscriber) -> str:
    return f"A subscriber with the address {subscriber.email} exists."
