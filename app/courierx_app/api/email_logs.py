"""/email-logs: what became of each person's mail, in the reference's words and in the domain's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Controller, Request, Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from courierx_app.api.addresses import email_of
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.paging import Cursor, Limit, Since, moment, page
from courierx_app.api.scopes import needs
from courierx_core.delivery.log import LogLine, LogStatus
from courierx_core.delivery.log_answer import LogAnswer, log_answer

Recipient = Annotated[str | None, QueryParameter(description="The address that it went to.")]


class EmailLogController(Controller):
    path = "/email-logs"
    tags = ("Email logs",)
    opt = needs("deliveries:read")

    @get("/", sync_to_thread=True)
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        status: FromQuery[LogStatus | None] = None,
        recipient: Recipient = None,
        since: Since = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[LogAnswer]]:
        """List the log, newest first; `since` is of the last change."""
        asked = asked_of_log(status, recipient, since)
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.deliveries.log(**asked, before=cursor, limit=limit)
        return page(request, [log_answer(each) for each in found], limit)

    @get("/campaign/{campaign_id:int}", sync_to_thread=True)
    def of_campaign(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        campaign_id: FromPath[int],
        status: FromQuery[LogStatus | None] = None,
        recipient: Recipient = None,
        since: Since = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[LogAnswer]]:
        """List the log of a campaign, newest first; empty before it starts."""
        asked = asked_of_log(status, recipient, since)
        with courier.store.begin(caller.owner(courier, "campaigns", campaign_id), write=False) as unit:
            message_id = unit.campaigns.get(campaign_id).message_id
            found: Sequence[LogLine] = []
            if message_id is not None:
                found = unit.deliveries.log(message_id=message_id, **asked, before=cursor, limit=limit)
        return page(request, [log_answer(each) for each in found], limit)

    @get("/{delivery_id:int}", sync_to_thread=True)
    def get_(self, courier: TheCourier, caller: TheCaller, delivery_id: FromPath[int]) -> LogAnswer:
        """Show one line of the log; its id is the delivery's."""
        with courier.store.begin(caller.owner(courier, "deliveries", delivery_id), write=False) as unit:
            found = unit.deliveries.get(delivery_id)
            (line,) = unit.deliveries.log(delivery_id=found.id)
        return log_answer(line)


def asked_of_log(status: LogStatus | None, recipient: str | None, since: str | None) -> dict[str, Any]:
    address = None if recipient is None else email_of(recipient, "recipient")
    return {"status": status, "address": address, "since": moment("since", since)}
