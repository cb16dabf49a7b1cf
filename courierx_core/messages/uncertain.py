"""`on_uncertain = resend`: what is uncertain when all else is over goes out once more (LEDGER section 2).

Not at once: a worker that was only suspended may still bring its answers, and providers their events.
"""

from __future__ import annotations

from datetime import timedelta

from courierx_core.campaigns.model import Campaign
from courierx_core.courier import Courier
from courierx_core.messages.model import Message
from courierx_core.ports.store import UnitOfWork
from courierx_core.work import WorkItem

WAIT_LEASES = 2.0
"""How long answers and events may still settle what is uncertain, in leases."""


def plan_resend(courier: Courier, unit: UnitOfWork, message: Message, campaign: Campaign | None) -> None:
    """Plan to send again what is still uncertain in two leases, where the message asks for it and nobody
    has planned it before."""
    wait = WAIT_LEASES * courier.policy.lease_seconds
    over_by_then = message.expires_at is not None and message.expires_at <= courier.runtime.now() + timedelta(
        seconds=wait
    )
    cancelled = message.cancelled_at is not None or (campaign is not None and campaign.status == "cancelled")
    if message.resent is not None or over_by_then or cancelled:
        return
    if not unit.deliveries.totals(message.id).get("uncertain"):
        return
    unit.messages.note_resent(message.id, 0)
    unit.work.add(
        WorkItem(tenant_id=message.tenant_id, stream=message.stream, topic="resend", subject_id=message.id),
        delay_seconds=wait,
    )
    if campaign is not None and campaign.status == "paused":
        unit.work.hold(message.id)
