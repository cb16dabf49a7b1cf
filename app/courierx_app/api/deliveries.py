"""/deliveries: what became of each recipient's mail, and a person's word on what nobody can know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from courierx_app.api.addresses import email_of
from courierx_app.api.body import Body
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_core.delivery import service
from courierx_core.delivery.model import Delivery, DeliveryState
from courierx_core.errors import InvalidInput

RESEND_MAX = 1000


# `state` is a name that the framework keeps for itself
State = Annotated[DeliveryState | None, QueryParameter(name="state", description="Only those in it.")]


class DeliveryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`tries` counts the attempts that cost the recipient one; `status` is RFC 3463's; `transport` is what
    the last of them went over, '' before the first."""

    id: int
    tenant_id: int
    message_id: int
    subscriber_id: int | None
    address: str
    state: DeliveryState
    reason: str
    tries: int
    status: str
    reply: str
    provider_id: str
    transport: str
    updated_at: datetime | None
    sent_at: datetime | None


class Resend(msgspec.Struct, frozen=True, kw_only=True):
    delivery_ids: tuple[int, ...]
    tenant_id: int | None = None


class Resent(msgspec.Struct, frozen=True, kw_only=True):
    queued: Sequence[int]


class DeliveryController(Controller):
    path = "/deliveries"
    tags = ("Deliveries",)

    @get("/", opt=needs("deliveries:read"), sync_to_thread=True)
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        message_id: FromQuery[int | None] = None,
        in_state: State = None,
        address: FromQuery[str | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[DeliveryAnswer]]:
        """List deliveries, newest first: of a message, in a state such as uncertain, to an address."""
        wanted = email_of(address, "address") if address is not None else None
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.deliveries.list(
                message_id=message_id, state=in_state, address=wanted, before=cursor, limit=limit
            )
        return page(request, [shown(each) for each in found], limit)

    @get("/{delivery_id:int}", opt=needs("deliveries:read"), sync_to_thread=True)
    def get_(self, courier: TheCourier, caller: TheCaller, delivery_id: FromPath[int]) -> DeliveryAnswer:
        """Show a delivery."""
        with courier.store.begin(caller.owner(courier, "deliveries", delivery_id), write=False) as unit:
            return shown(unit.deliveries.get(delivery_id))

    @post(
        "/resend",
        dto=Body[Resend],
        return_dto=None,
        status_code=200,
        opt=needs("deliveries:send"),
        sync_to_thread=True,
    )
    def resend(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, data: JSONBody[Resend]
    ) -> Response[Resent]:
        """Send exactly these again: uncertain ones, whose mail may have arrived, and failed ones."""
        tenant_id = caller.tenant(data.tenant_id)
        if not 1 <= len(data.delivery_ids) <= RESEND_MAX:
            raise InvalidInput.of("delivery_ids", "length", f"takes 1 to {RESEND_MAX} ids")

        def send(answer: Answering) -> None:
            service.resend(
                courier,
                tenant_id,
                data.delivery_ids,
                keep=lambda unit, queued: answer(unit, Resent(queued=queued)),
            )

        return once(tenant_id, data, send)


def shown(delivery: Delivery) -> DeliveryAnswer:
    return msgspec.convert(delivery, DeliveryAnswer, from_attributes=True)
