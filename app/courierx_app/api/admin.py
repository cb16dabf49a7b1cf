"""/admin: the reference's own ways to start a campaign."""

from __future__ import annotations

import msgspec
from litestar import Controller, Response, post
from litestar.params import FromPath

from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.scopes import needs
from courierx_core.campaigns import service
from courierx_core.ports.idempotency import Keeps


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
    def run(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]
    ) -> Response[Run]:
        """Start a campaign, as `send-now` does; 409 once it has started."""
        tenant_id = caller.owner(courier, "campaigns", campaign_id)

        def start(answer: Answering) -> None:
            def keep(unit: Keeps, started: service.Started) -> None:
                answer(unit, Run(enqueued=started.audience))

            service.start(courier, tenant_id, campaign_id, keep=keep)

        return once(tenant_id, None, start)

    @post("/enqueue-campaign/{campaign_id:int}", status_code=200, sync_to_thread=True)
    def enqueue(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, campaign_id: FromPath[int]
    ) -> Response[Job]:
        """Start a campaign, and say what the queue calls the notification; 409 once it has started."""
        tenant_id = caller.owner(courier, "campaigns", campaign_id)

        def start(answer: Answering) -> Job:
            def keep(unit: Keeps, started: service.Started) -> None:
                answer(unit, Job(job_id=None))

            started = service.start(courier, tenant_id, campaign_id, keep=keep)
            return Job(job_id=started.notification or None)

        return once(tenant_id, None, start)
