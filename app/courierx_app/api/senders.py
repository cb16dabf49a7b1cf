"""/senders: the addresses that a tenant's mail comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from courierx_app.api.addresses import GivenAddress, address_of
from courierx_app.api.body import Body
from courierx_app.api.etag import TheMatch, tagged
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_core.domains.model import DomainStatus
from courierx_core.domains.service import domain_of
from courierx_core.mail.address import split_address
from courierx_core.ports.store import UnitOfWork
from courierx_core.senders import service
from courierx_core.senders.model import Sender


class NewSender(msgspec.Struct, frozen=True, kw_only=True):
    email: GivenAddress
    tenant_id: int | None = None
    name: str = ""
    reply_to: str = ""


class SenderChanges(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    reply_to: str | None = None


class SenderAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`domain_status` is its sender domain's, `none` where the tenant has none for it. `default` says whether
    mail that names no sender comes from it: the tenant's `default_from`."""

    id: int
    tenant_id: int
    email: str
    name: str
    reply_to: str
    domain_status: DomainStatus | Literal["none"]
    default: bool
    created_at: datetime | None
    updated_at: datetime | None


class SenderController(Controller):
    path = "/senders"
    tags = ("Senders",)

    @post("/", dto=Body[NewSender], return_dto=None, sync_to_thread=True, opt=needs("senders:write"))
    def create(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, data: JSONBody[NewSender]
    ) -> Response[SenderAnswer]:
        """Save a sender; 409 where the tenant has that address. Mail from it that gives no name or reply_to
        of its own takes these."""
        tenant_id = caller.tenant(data.tenant_id)

        def add(answer: Answering) -> None:
            email = address_of(data.email, "email")
            with courier.store.begin(tenant_id) as unit:
                caller.require_tenant(unit)
                answer(unit, shown(unit, service.create(unit, email, name=data.name, reply_to=data.reply_to)))

        return once(tenant_id, data, add, 201)

    @get("/", sync_to_thread=True, opt=needs("senders:read"))
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[SenderAnswer]]:
        """List senders, newest first."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.senders.list(before=cursor, limit=limit)
            return page(request, [shown(unit, each) for each in found], limit)

    @get("/{sender_id:int}", sync_to_thread=True, opt=needs("senders:read"))
    def get_(
        self, courier: TheCourier, caller: TheCaller, sender_id: FromPath[int]
    ) -> Response[SenderAnswer]:
        """Show a sender."""
        with courier.store.begin(caller.owner(courier, "senders", sender_id), write=False) as unit:
            found = unit.senders.get(sender_id)
            return tagged(shown(unit, found), found)

    @patch(
        "/{sender_id:int}",
        dto=Body[SenderChanges],
        return_dto=None,
        sync_to_thread=True,
        opt=needs("senders:write"),
    )
    def edit(
        self,
        match: TheMatch,
        courier: TheCourier,
        caller: TheCaller,
        sender_id: FromPath[int],
        data: JSONBody[SenderChanges],
    ) -> Response[SenderAnswer]:
        """Change what is given; what has started keeps what it began with."""
        with match.unit(courier, caller.owner(courier, "senders", sender_id)) as unit:
            match.check(unit.senders.get(sender_id))
            saved = service.edit(unit, sender_id, name=data.name, reply_to=data.reply_to)
            return tagged(shown(unit, saved), saved)

    @delete("/{sender_id:int}", sync_to_thread=True, opt=needs("senders:write"))
    def remove(
        self, match: TheMatch, courier: TheCourier, caller: TheCaller, sender_id: FromPath[int]
    ) -> None:
        """Remove a sender; its address can be sent from as before."""
        with match.unit(courier, caller.owner(courier, "senders", sender_id)) as unit:
            match.check(unit.senders.get(sender_id))
            unit.senders.remove(sender_id)


def shown(unit: UnitOfWork, sender: Sender) -> SenderAnswer:
    domain = domain_of(unit, sender.email.rpartition("@")[2])
    default = unit.tenant.default_from
    return SenderAnswer(
        **msgspec.structs.asdict(sender),
        domain_status=domain.status if domain else "none",
        default=bool(default) and split_address(default).email == sender.email,
    )
