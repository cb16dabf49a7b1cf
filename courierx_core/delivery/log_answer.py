"""A line of the log as callers and files see it: the reference's words beside the domain's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

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


def log_answer(line: LogLine) -> LogAnswer:
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
