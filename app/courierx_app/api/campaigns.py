"""/campaigns: written, started, watched and stopped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from courierx_app.api.body import Body
from courierx_app.api.caller import Caller
from courierx_app.api.campaign_bodies import (
    CampaignAnswer,
    CampaignChanges,
    NewCampaign,
    campaign_of,
    changed,
    shown,
)
from courierx_app.api.etag import TheMatch, tagged
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_core.campaigns import service
from courierx_core.campaigns.model import (
    TRANSITIONS,
    Campaign,
    CampaignStatus,
    PublicStatus,
    meant_by,
    public_status,
)
from courierx_core.campaigns.progress import Progress, progress
from courierx_core.campaigns.reach import Reach, reach
from courierx_core.campaigns.report import FullReport, full_report
from courierx_core.courier import Courier
from courierx_core.errors import Conflict
from courierx_core.ports.idempotency import Keeps


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    scheduled_at: datetime


class Enqueued(msgspec.Struct, frozen=True, kw_only=True):
    enqueued: int
    status: PublicStatus


class CampaignController(Controller):
    path = "/campaigns"
    tags = ("Campaigns",)

    @post(
        "/",
        dto=Body[NewCampaign],
        return_dto=None,
        status_code=200,
        opt=needs("campaigns:write"),
        sync_to_thread=True,
    )
    def create(
        self,
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        data: JSONBody[NewCampaign],
    ) -> Response[CampaignAnswer]:
        """Write a draft. Without lists and segment it goes to every active subscriber of the tenant."""
        tenant_id = caller.tenant(data.tenant_id)

        def make(answer: Answering) -> None:
            with courier.store.begin(tenant_id, write=False) as unit:
                caller.require_tenant(unit)
                service.examine(courier, unit, campaign_of(unit, data))
            with courier.store.begin(tenant_id) as unit:
                answer(unit, shown(service.create(courier, unit, campaign_of(unit, data))))

        return once(tenant_id, data, make)

    @get("/", opt=needs("campaigns:read"), sync_to_thread=True)
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        status: FromQuery[PublicStatus | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[CampaignAnswer]]:
        """List campaigns, newest first."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.campaigns.list(
                before=cursor, limit=limit, statuses=meant_by(status) if status else ()
            )
        return page(request, [shown(each) for each in found], limit)

    @get("/{campaign_id:int}", opt=needs("campaigns:read"), sync_to_thread=True)
    def get_(
        self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]
    ) -> Response[CampaignAnswer]:
        """Show a campaign, and how far it is once it is scheduled."""
        tenant_id = _tenant(courier, caller, campaign_id)
        with courier.store.begin(tenant_id, write=False) as unit:
            campaign = unit.campaigns.get(campaign_id)
        if campaign.status == "draft":
            return tagged(shown(campaign), campaign)
        return tagged(shown(campaign, progress(courier, tenant_id, campaign_id)), campaign)

    @patch(
        "/{campaign_id:int}",
        dto=Body[CampaignChanges],
        return_dto=None,
        opt=needs("campaigns:write"),
        sync_to_thread=True,
    )
    def edit(
        self,
        match: TheMatch,
        courier: TheCourier,
        caller: TheCaller,
        campaign_id: FromPath[int],
        data: JSONBody[CampaignChanges],
    ) -> Response[CampaignAnswer]:
        """Change a draft, or move a campaign to a `status` that it may go to from where it is."""
        tenant_id = _tenant(courier, caller, campaign_id)
        with courier.store.begin(tenant_id, write=False) as unit:
            present = unit.campaigns.get(campaign_id)
            if data.status not in (None, public_status(present.status)):
                caller.require("campaigns:send")
            service.examine(courier, unit, changed(unit, present, data))
        with match.unit(courier, tenant_id) as unit:
            campaign = unit.campaigns.get(campaign_id)
            match.check(campaign)
            wanted = changed(unit, campaign, data)
            if wanted != campaign:
                campaign = service.update(courier, unit, wanted)
        if data.status not in (None, public_status(campaign.status)):
            campaign = _move(courier, tenant_id, campaign_id, campaign.status, data.status)
        return tagged(shown(campaign), campaign)

    @delete("/{campaign_id:int}", opt=needs("campaigns:write"), sync_to_thread=True)
    def remove(
        self, match: TheMatch, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]
    ) -> None:
        """Delete a campaign; 409 while it is under way, or a segment asks for its events."""
        with match.unit(courier, _tenant(courier, caller, campaign_id)) as unit:
            match.check(unit.campaigns.get(campaign_id))
            service.remove(unit, campaign_id)

    @get("/{campaign_id:int}/audience", opt=needs("campaigns:read"), sync_to_thread=True)
    def audience(self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]) -> Reach:
        """Count whom it would go to now, or goes to once it has started; `states` add up to `audience`."""
        with courier.store.begin(_tenant(courier, caller, campaign_id), write=False) as unit:
            return reach(courier, unit, campaign_id)

    @post("/{campaign_id:int}/send-now", status_code=200, opt=needs("campaigns:send"), sync_to_thread=True)
    def send_now(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]
    ) -> Response[Enqueued]:
        """Start sending; 409 with its status once it has started."""
        tenant_id = _tenant(courier, caller, campaign_id)

        def start(answer: Answering) -> None:
            def keep(unit: Keeps, started: service.Started) -> None:
                answer(unit, Enqueued(enqueued=started.audience, status=shown(started.campaign).status))

            service.start(courier, tenant_id, campaign_id, keep=keep)

        return once(tenant_id, None, start)

    @post(
        "/{campaign_id:int}/schedule",
        dto=Body[Schedule],
        return_dto=None,
        status_code=200,
        sync_to_thread=True,
        opt=needs("campaigns:send"),
    )
    def schedule(
        self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int], data: JSONBody[Schedule]
    ) -> CampaignAnswer:
        """Start at a time, with its offset from UTC; 422 for one that has passed."""
        tenant_id = _tenant(courier, caller, campaign_id)
        return shown(service.schedule(courier, tenant_id, campaign_id, data.scheduled_at))

    @post(
        "/{campaign_id:int}/cancel-schedule",
        status_code=200,
        opt=needs("campaigns:send"),
        sync_to_thread=True,
    )
    def cancel_schedule(
        self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]
    ) -> CampaignAnswer:
        """Make a scheduled campaign a draft again."""
        return shown(service.unschedule(courier, _tenant(courier, caller, campaign_id), campaign_id))

    @post("/{campaign_id:int}/pause", status_code=200, opt=needs("campaigns:send"), sync_to_thread=True)
    def pause(self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]) -> CampaignAnswer:
        """Stop sending; what is under way is finished."""
        return shown(service.pause(courier, _tenant(courier, caller, campaign_id), campaign_id))

    @post("/{campaign_id:int}/resume", status_code=200, opt=needs("campaigns:send"), sync_to_thread=True)
    def resume(self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]) -> CampaignAnswer:
        """Go on sending."""
        return shown(service.resume(courier, _tenant(courier, caller, campaign_id), campaign_id))

    @post("/{campaign_id:int}/cancel", status_code=200, opt=needs("campaigns:send"), sync_to_thread=True)
    def cancel(self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]) -> CampaignAnswer:
        """Stop for good; what is not sent yet is cancelled."""
        return shown(service.cancel(courier, _tenant(courier, caller, campaign_id), campaign_id))

    @get("/{campaign_id:int}/progress", opt=needs("campaigns:read"), sync_to_thread=True)
    def progress(self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]) -> Progress:
        """Say how far it is, how fast it goes, and what it waits for."""
        return progress(courier, _tenant(courier, caller, campaign_id), campaign_id)

    @get("/{campaign_id:int}/report", opt=needs("campaigns:read"), sync_to_thread=True)
    def report(self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]) -> FullReport:
        """Say what became of every delivery, where and when; `states` add up to `audience`."""
        with courier.store.begin(_tenant(courier, caller, campaign_id), write=False) as unit:
            return full_report(unit, campaign_id)


def _tenant(courier: Courier, caller: Caller, campaign_id: int) -> int:
    return caller.owner(courier, "campaigns", campaign_id)


def _move(
    courier: Courier, tenant_id: int, campaign_id: int, present: CampaignStatus, wanted: str
) -> Campaign:
    """Move by status, as the reference's clients do, where an action leads there without more input."""
    acts = {"unschedule": service.unschedule, "pause": service.pause, "resume": service.resume}
    for action, act in {**acts, "cancel": service.cancel}.items():
        if TRANSITIONS[action].get(present) == wanted:  # type: ignore[index]
            return act(courier, tenant_id, campaign_id)
    routes = {"sending": "send-now", "scheduled": "schedule", "paused": "pause", "cancelled": "cancel"}
    route = routes.get(wanted)
    way = f"POST /campaigns/{campaign_id}/{route} is the way." if route else "No action leads there."
    raise Conflict(f"Campaign {campaign_id} is {public_status(present)} and cannot be set to {wanted}. {way}")
