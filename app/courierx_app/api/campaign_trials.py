"""/campaigns/{id}/preview, /test and /clone: look at a campaign before it goes, and make another of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from courierx_app.api.addresses import GivenAddress
from courierx_app.api.body import Body
from courierx_app.api.campaign_bodies import CampaignAnswer, shown
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.message_bodies import SentAnswer, addresses_of, sent_answer
from courierx_app.api.scopes import needs
from courierx_core.campaigns import preview, service
from courierx_core.campaigns.preview import Preview
from courierx_core.delivery.model import DeliveryState


class TrialRun(msgspec.Struct, frozen=True, kw_only=True):
    """Up to 50 addresses; each gets what the subscriber would, or one of the audience."""

    to: tuple[GivenAddress, ...]
    subscriber_id: int | None = None


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """With `only` for exactly those whose delivery ended in one of these states, else for the same
    audience; without a name the copy says what it is of."""

    only: tuple[DeliveryState, ...] = ()
    name: str = ""


WhoseView = Annotated[
    int | None, QueryParameter(description="Whom to render it for; else one of its audience, or an example.")
]


class CampaignTrialController(Controller):
    path = "/campaigns"
    tags = ("Campaigns",)

    @get("/{campaign_id:int}/preview", opt=needs("campaigns:read"), sync_to_thread=True)
    def preview(
        self,
        courier: TheCourier,
        caller: TheCaller,
        campaign_id: FromPath[int],
        subscriber_id: WhoseView = None,
    ) -> Preview:
        """Render a campaign for one person, without tracking; `warnings` name what is empty for them."""
        tenant_id = caller.owner(courier, "campaigns", campaign_id)
        with courier.store.begin(tenant_id, write=False) as unit:
            return preview.preview(courier, unit, campaign_id, subscriber_id=subscriber_id)

    @post(
        "/{campaign_id:int}/test",
        dto=Body[TrialRun],
        return_dto=None,
        status_code=202,
        opt=needs("campaigns:send"),
        sync_to_thread=True,
    )
    def test(
        self,
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        campaign_id: FromPath[int],
        data: JSONBody[TrialRun],
    ) -> Response[SentAnswer]:
        """Send it as it is now to a few addresses. Its audience, status and report stay as they are."""
        tenant_id = caller.owner(courier, "campaigns", campaign_id)

        def send(answer: Answering) -> None:
            preview.send_test(
                courier,
                tenant_id,
                campaign_id,
                addresses_of("to", data.to),
                subscriber_id=data.subscriber_id,
                keep=lambda unit, sent: answer(unit, sent_answer(sent, courier.runtime.now())),
            )

        return once(tenant_id, data, send, 202)

    @post(
        "/{campaign_id:int}/clone",
        dto=Body[Copy],
        return_dto=None,
        opt=needs("campaigns:write"),
        sync_to_thread=True,
    )
    def clone(
        self,
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        campaign_id: FromPath[int],
        data: JSONBody[Copy | None] = None,
    ) -> Response[CampaignAnswer]:
        """Make a draft with the same content; 409 where nobody's delivery ended in a state of `only`."""
        tenant_id = caller.owner(courier, "campaigns", campaign_id)
        asked = data or Copy()

        def copy(answer: Answering) -> None:
            service.clone(
                courier,
                tenant_id,
                campaign_id,
                only=asked.only,
                name=asked.name,
                keep=lambda unit, made: answer(unit, shown(made)),
            )

        return once(tenant_id, data, copy, 201)
