"""Subscribers, once per tenant and address."""

from __future__ import annotations

from builtins import list as list_
from collections.abc import Collection, Iterable, Mapping, Sequence, Set

from sqlalchemy import ColumnElement, case, func, or_, select, true

from courierx_core.audience.model import Audience, ImportCounts, NewSubscriber, Subscriber, SubscriberStatus
from courierx_core.delivery.model import DeliveryState
from courierx_core.errors import Conflict, NotFound
from courierx_core.ports.transport import Stream
from courierx_sql.rows.audience import members
from courierx_sql.rows.membership import on_any
from courierx_sql.rows.slice import Slice, is_id
from courierx_sql.rows.suppressed import is_suppressed
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
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        status: SubscriberStatus | None = None,
        list_id: int | None = None,
        q: str = "",
    ) -> Sequence[Subscriber]:
        conditions: list_[ColumnElement[bool]] = []
        if status is not None:
            conditions.append(subscribers.c.status == status)
        if list_id is not None:
            conditions.append(on_any(self._tenant, (list_id,)))
        if q:
            conditions.append(_holding(q))
        return self._page(before, limit, *conditions)

    def ids(self, emails: Collection[str]) -> Mapping[str, int]:
        found = self._tenant.select(subscribers, subscribers.c.email, subscribers.c.id).where(
            subscribers.c.email.in_(emails)
        )
        return {row.email: row.id for row in self._tenant.execute(found)}

    def known(self, subscriber_ids: Iterable[int]) -> Set[int]:
        ids = [each for each in subscriber_ids if is_id(each)]
        statement = self._tenant.select(subscribers, subscribers.c.id).where(subscribers.c.id.in_(ids))
        return set(self._tenant.execute(statement).scalars())

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

    def forecast(self, audience: Audience, stream: Stream) -> Mapping[DeliveryState, int]:
        state = case((is_suppressed(self._tenant, stream), "suppressed"), else_="queued")
        people = self._tenant.select(subscribers, state.label("state")).where(
            *members(self._tenant, audience)
        )
        judged = people.subquery()
        statement = select(judged.c.state, func.count().label("n")).group_by(judged.c.state)
        return {row.state: row.n for row in self._tenant.execute(statement)}

    def attribute_names(self, *, limit: int = 1000) -> Sequence[str]:
        if self._tenant.connection.dialect.name == "sqlite":
            pair = func.json_each(subscribers.c.attributes).table_valued("key")
            names = self._tenant.select(subscribers, pair.c.key.label("name")).select_from(
                subscribers.join(pair, true())
            )
        else:
            keys = func.jsonb_object_keys(subscribers.c.attributes)
            names = self._tenant.select(subscribers, keys.label("name"))
        found = names.distinct().subquery()
        return self._tenant.execute(select(found.c.name).order_by(found.c.name).limit(limit)).scalars().all()

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


def _holding(text: str) -> ColumnElement[bool]:
    """Find the text in an address or a name. Both databases lower ASCII alike, and no more than that: so
    a name with other letters is found as it is written."""
    columns = subscribers.c
    return or_(
        *(func.lower(column).contains(text.lower(), autoescape=True) for column in _SEARCHED),
        *(column.contains(text, autoescape=True) for column in (columns.first_name, columns.last_name)),
    )


_SEARCHED = (subscribers.c.email, subscribers.c.first_name, subscribers.c.last_name)
