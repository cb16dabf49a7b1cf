"""Lists and who is on them. Leaving a list is remembered, so that no import puts a person back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from sqlalchemy import Select, func, literal

from courierx_core.audience.model import MailingList
from courierx_core.delivery.model import DeliveryState
from courierx_core.errors import Conflict, NotFound
from courierx_sql.clock import now
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import deliveries, lists, subscribers, subscriptions


class ListRows(Slice[MailingList]):
    table = lists
    struct = MailingList
    noun = "list"

    def add(self, mailing_list: MailingList) -> MailingList:
        added = self._insert(mailing_list)
        if added is None:
            raise Conflict(_taken(mailing_list))
        return added

    def list(
        self, *, before: int | None = None, limit: int = 100, public: bool | None = None
    ) -> Sequence[MailingList]:
        return self._page(before, limit, *([] if public is None else [lists.c.public.is_(public)]))

    def save(self, mailing_list: MailingList) -> MailingList:
        with self._unique(_taken(mailing_list)):
            saved = self._update(mailing_list.id, self._values(mailing_list))
        if saved is None:
            raise self._missing(mailing_list.id)
        return saved

    def sizes(self, list_ids: Sequence[int]) -> Mapping[int, int]:
        columns = subscriptions.c
        statement = (
            self._tenant.select(subscriptions, columns.list_id, func.count().label("n"))
            .where(columns.list_id.in_(list_ids), columns.status == "subscribed")
            .group_by(columns.list_id)
        )
        return {row.list_id: row.n for row in self._tenant.execute(statement)}

    def remove(self, list_id: int) -> None:
        super().remove(list_id)
        self._tenant.execute(self._tenant.delete(subscriptions).where(subscriptions.c.list_id == list_id))

    def of(self, subscriber_id: int) -> Set[int]:
        columns = subscriptions.c
        statement = self._tenant.select(subscriptions, columns.list_id).where(
            columns.subscriber_id == subscriber_id, columns.status == "subscribed"
        )
        return set(self._tenant.execute(statement).scalars())

    def subscribe(self, list_id: int, subscriber_ids: Sequence[int], *, again: bool = False) -> int:
        self.get(list_id)
        self._check_people(subscriber_ids)
        people = self._tenant.select(
            subscribers,
            literal(self._tenant.tenant_id),
            literal(list_id),
            subscribers.c.id,
            literal("subscribed"),
            now(),
        ).where(subscribers.c.id.in_(subscriber_ids))
        back = self._turn(list_id, subscriber_ids, "unsubscribed", "subscribed") if again else 0
        return back + self._put(people)

    def subscribe_from(self, list_id: int, message_id: int, states: Sequence[DeliveryState]) -> int:
        self.get(list_id)
        people = self._tenant.select(
            deliveries,
            literal(self._tenant.tenant_id),
            literal(list_id),
            deliveries.c.subscriber_id,
            literal("subscribed"),
            now(),
        ).where(
            deliveries.c.message_id == message_id,
            deliveries.c.state.in_(states),
            deliveries.c.subscriber_id.is_not(None),
        )
        return self._put(people)

    def unsubscribe(self, list_id: int, subscriber_ids: Sequence[int]) -> int:
        self.get(list_id)
        self._check_people(subscriber_ids)
        return self._turn(list_id, subscriber_ids, "subscribed", "unsubscribed")

    def _turn(self, list_id: int, subscriber_ids: Sequence[int], was: str, status: str) -> int:
        columns = subscriptions.c
        statement = (
            self._tenant.update(subscriptions)
            .where(
                columns.list_id == list_id,
                columns.subscriber_id.in_(subscriber_ids),
                columns.status == was,
            )
            .values(status=status, updated_at=now())
        )
        return self._tenant.execute(statement).rowcount

    def _put(self, people: Select[Any]) -> int:
        statement = (
            self._tenant.insert_from(
                subscriptions, ["tenant_id", "list_id", "subscriber_id", "status", "updated_at"], people
            )
            .on_conflict_do_nothing()
            .returning(subscriptions.c.subscriber_id)
        )
        return len(self._tenant.execute(statement).all())

    def _check_people(self, subscriber_ids: Sequence[int]) -> None:
        statement = self._tenant.select(subscribers, subscribers.c.id).where(
            subscribers.c.id.in_(subscriber_ids)
        )
        known = set(self._tenant.execute(statement).scalars())
        missing = sorted(set(subscriber_ids) - known)
        if missing:
            raise NotFound(f"No subscribers {', '.join(map(str, missing[:10]))}.")


def _taken(mailing_list: MailingList) -> str:
    return f"A list named {mailing_list.name!r} exists; choose another name."
