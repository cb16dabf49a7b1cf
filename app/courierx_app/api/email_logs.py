"""/email-logs: what became of each person's mail, in the reference's words and in the domain's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from courierx_app.api.addresses import email_of
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.paging import Cursor, Limit, Since, aware, page
from courierx_app.api.scopes import needs
from courierx_core.delivery.log import LogLine, LogStatus
from courierx_core.delivery.model import DeliveryState
from courierx_core.feedback.model import BounceClass, Event, FeedbackKind

BOUNCE_TYPES: Mapping[BounceClass, str] = {"hard": "Permanent", "soft": "Transient"}
"""What clients of the reference know a bounce class by; the rest is `Undetermined`."""


class LogAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery. `message_id` is the provider's id, null until it has accepted the mail; `state` is the
    domain's word, and `provider_job_id` the id of the message that it belongs to."""

    id: int
    tenant_id: int
    campaign_id: int | None
    subscriber_id: int | None
    recipient_email: str
    message_id: str | None
    status: LogStatus
    state: DeliveryState
    provider_job_id: str
    last_event_type: FeedbackKind | None
    last_event_at: datetime | None
    last_smtp_response: str | None
    bounce_type: str | None
    bounce_subtype: str | None
    complaint_type: str | None
    sent_at: datetime | None
    created_at: datetime | None


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
        asked = _asked(status, recipient, since)
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.deliveries.log(**asked, before=cursor, limit=limit)
        return page(request, [shown(each) for each in found], limit)

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
        asked = _asked(status, recipient, since)
        with courier.store.begin(caller.owner(courier, "campaigns", campaign_id), write=False) as unit:
            message_id = unit.campaigns.get(campaign_id).message_id
            found: Sequence[LogLine] = []
            if message_id is not None:
                found = unit.deliveries.log(message_id=message_id, **asked, before=cursor, limit=limit)
        return page(request, [shown(each) for each in found], limit)

    @get("/{delivery_id:int}", sync_to_thread=True)
    def get_(self, courier: TheCourier, caller: TheCaller, delivery_id: FromPath[int]) -> LogAnswer:
        """Show one line of the log; its id is the delivery's."""
        with courier.store.begin(caller.owner(courier, "deliveries", delivery_id), write=False) as unit:
            found = unit.deliveries.get(delivery_id)
            (line,) = unit.deliveries.log(delivery_id=found.id)
        return shown(line)


def _asked(status: LogStatus | None, recipient: str | None, since: datetime | None) -> dict[str, Any]:
    address = None if recipient is None else email_of(recipient, "recipient")
    return {"status": status, "address": address, "since": aware("since", since)}


def shown(line: LogLine) -> LogAnswer:
    """Return what callers see of a line."""
    delivery, last = line.delivery, line.last
    return LogAnswer(
        id=delivery.id,
        tenant_id=delivery.tenant_id,
        campaign_id=line.campaign_id,
        subscriber_id=delivery.subscriber_id,
        recipient_email=delivery.address,
        message_id=delivery.provider_id or None,
        status=line.status,
        state=delivery.state,
        provider_job_id=str(delivery.message_id),
        last_event_type=last.kind if last else None,
        last_event_at=last.at if last else None,
        last_smtp_response=delivery.reply or None,
        bounce_type=_bounce_type(line.bounce),
        bounce_subtype=_said(line.bounce, "bounceSubType"),
        complaint_type=_said(line.complaint, "complaintFeedbackType"),
        sent_at=delivery.sent_at,
        created_at=line.created_at,
    )


def _bounce_type(bounce: Event | None) -> str | None:
    if bounce is None:
        return None
    known = BOUNCE_TYPES.get(bounce.bounce, "Undetermined") if bounce.bounce else "Undetermined"
    return _said(bounce, "bounceType") or known


def _said(event: Event | None, name: str) -> str | None:
    """Return a provider's own word for it, from its own account: the reference's columns are Amazon's."""
    if event is None:
        return None
    accounts = [event.raw, *(each for each in event.raw.values() if isinstance(each, Mapping))]
    return next((str(account[name]) for account in accounts if account.get(name)), None)
