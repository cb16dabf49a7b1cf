"""/lists: named sets of people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from courierx_app.api.body import Body
from courierx_app.api.etag import TheMatch, tagged
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_app.api.subscribers import SubscriberAnswer
from courierx_app.api.subscribers import shown as shown_person
from courierx_core.audience import lists
from courierx_core.audience.model import MailingList, OptIn
from courierx_core.ports.store import UnitOfWork


class NewList(msgspec.Struct, frozen=True, kw_only=True):
    """People see a `public` list, with its description, where they choose what they get."""

    name: str
    public: bool = False
    description: str = ""
    tenant_id: int | None = None


class ListChanges(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    public: bool | None = None
    description: str | None = None


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    tenant_id: int
    name: str
    public: bool
    description: str
    subscribers: int
    created_at: datetime | None


class People(msgspec.Struct, frozen=True, kw_only=True):
    subscriber_ids: tuple[int, ...]


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """`left` are on the list already, or left it and stay off."""

    added: int
    left: int


class ListController(Controller):
    path = "/lists"
    tags = ("Lists",)

    @post("/", dto=Body[NewList], return_dto=None, sync_to_thread=True, opt=needs("lists:write"))
    def create(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, data: JSONBody[NewList]
    ) -> Response[ListAnswer]:
        """Make an empty list; 409 where the tenant has one of that name."""
        tenant_id = caller.tenant(data.tenant_id)

        def make(answer: Answering) -> None:
            with courier.store.begin(tenant_id) as unit:
                caller.require_tenant(unit)
                made = lists.create(unit, data.name, public=data.public, description=data.description)
                answer(unit, _shown(unit, [made])[0])

        return once(tenant_id, data, make, 201)

    @get("/", sync_to_thread=True, opt=needs("lists:read"))
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[ListAnswer]]:
        """List mailing lists, newest first, each with how many are subscribed."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            return page(request, _shown(unit, unit.lists.list(before=cursor, limit=limit)), limit)

    @get("/{list_id:int}", sync_to_thread=True, opt=needs("lists:read"))
    def get_(self, courier: TheCourier, caller: TheCaller, list_id: FromPath[int]) -> Response[ListAnswer]:
        """Show a list."""
        with courier.store.begin(caller.owner(courier, "lists", list_id), write=False) as unit:
            found = unit.lists.get(list_id)
            return tagged(_shown(unit, [found])[0], found)

    @patch(
        "/{list_id:int}",
        dto=Body[ListChanges],
        return_dto=None,
        sync_to_thread=True,
        opt=needs("lists:write"),
    )
    def edit(
        self,
        match: TheMatch,
        courier: TheCourier,
        caller: TheCaller,
        list_id: FromPath[int],
        data: JSONBody[ListChanges],
    ) -> Response[ListAnswer]:
        """Change what is given."""
        with match.unit(courier, caller.owner(courier, "lists", list_id)) as unit:
            match.check(unit.lists.get(list_id))
            changed = lists.edit(
                unit, list_id, name=data.name, public=data.public, description=data.description
            )
            return tagged(_shown(unit, [changed])[0], changed)

    @delete("/{list_id:int}", sync_to_thread=True, opt=needs("lists:write"))
    def remove(self, match: TheMatch, courier: TheCourier, caller: TheCaller, list_id: FromPath[int]) -> None:
        """Delete a list, not its people; 409 while a campaign that is not over or a segment names it."""
        with match.unit(courier, caller.owner(courier, "lists", list_id)) as unit:
            match.check(unit.lists.get(list_id))
            lists.remove(unit, list_id)

    @get("/{list_id:int}/subscribers", sync_to_thread=True, opt=needs("lists:read"))
    def people(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        list_id: FromPath[int],
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[SubscriberAnswer]]:
        """List who is subscribed, newest first."""
        with courier.store.begin(caller.owner(courier, "lists", list_id), write=False) as unit:
            unit.lists.get(list_id)
            found = unit.subscribers.list(before=cursor, limit=limit, list_id=list_id)
        return page(request, [shown_person(each) for each in found], limit)

    @get("/{list_id:int}/opt-ins", sync_to_thread=True, opt=needs("lists:read"))
    def opt_ins(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        list_id: FromPath[int],
        email: FromQuery[str | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[OptIn]]:
        """List who asked to be on it by its public page, newest first: when, from where, and what they were
        shown when they said yes. This is the proof of their consent."""
        with courier.store.begin(caller.owner(courier, "lists", list_id), write=False) as unit:
            unit.lists.get(list_id)
            address = None if email is None else email.strip().lower()
            found = unit.opt_ins.list(before=cursor, limit=limit, list_id=list_id, email=address)
        return page(request, found, limit)

    @post(
        "/{list_id:int}/subscribers",
        dto=Body[People],
        return_dto=None,
        status_code=200,
        sync_to_thread=True,
        opt=needs("lists:write"),
    )
    def subscribe(
        self,
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        list_id: FromPath[int],
        data: JSONBody[People],
    ) -> Response[Added]:
        """Put people on a list. Who left it stays off."""
        tenant_id = caller.owner(courier, "lists", list_id)

        def add(answer: Answering) -> None:
            with courier.store.begin(tenant_id) as unit:
                added = lists.subscribe(unit, list_id, data.subscriber_ids)
                answer(unit, Added(added=added, left=len(set(data.subscriber_ids)) - added))

        return once(tenant_id, data, add)

    @delete("/{list_id:int}/subscribers", sync_to_thread=True, opt=needs("lists:write"))
    def unsubscribe(
        self,
        courier: TheCourier,
        caller: TheCaller,
        list_id: FromPath[int],
        subscriber_id: Annotated[list[int], QueryParameter(description="Whom; once for each person.")],
    ) -> None:
        """Take people off a list; no import puts them back on it."""
        with courier.store.begin(caller.owner(courier, "lists", list_id)) as unit:
            lists.unsubscribe(unit, list_id, subscriber_id)


def _shown(unit: UnitOfWork, found: Sequence[MailingList]) -> list[ListAnswer]:
    sizes = unit.lists.sizes([each.id for each in found])
    return [
        ListAnswer(
            id=each.id,
            tenant_id=each.tenant_id,
            name=each.name,
            public=each.public,
            description=each.description,
            subscribers=sizes.get(each.id, 0),
            created_at=each.created_at,
        )
        for each in found
    ]
