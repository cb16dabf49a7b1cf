"""/admin: the reference's own ways to start a campaign."""

from __future__ import annotations

import msgspec
from litestar import Controller, post
from litestar.params import FromPath

from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.scopes import needs
from courierx_core.campaigns import service


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How many people it goes to."""

    enqueued: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The queue's own id; null where the queue is away, and the work waits in the database."""

    job_id: str | None


class AdminController(Controller):
    path = "/admin"
    tags = ("Campaigns",)
    opt = needs("campaigns:send")

    @post("/run-campaign/{campaign_id:int}", status_code=200, sync_to_thread=True)
    def run(self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]) -> Run:
        """Start a campaign, as `send-now` does; 409 once it has started."""
        return Run(enqueued=_start(courier, caller, campaign_id).audience)

    @post("/enqueue-campaign/{campaign_id:int}", status_code=200, sync_to_thread=True)
    def enqueue(self, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]) -> Job:
        """Start a campaign, and say what the queue calls the notification; 409 once it has started."""
        return Job(job_id=_start(courier, caller, campaign_id).notification or None)


def _start(courier: TheCourier, caller: TheCaller, campaign_id: int) -> service.Started:
    return service.start(courier, caller.owner(courier, "campaigns", campaign_id), campaign_id)
