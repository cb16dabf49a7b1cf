"""What the far side refused at once, while the mail was being handed over: told like a bounce that comes
back later. The window that records a refusal adds an item of work for it, so a crash loses none."""

from __future__ import annotations

from collections.abc import Mapping

from courierx_core.courier import Courier
from courierx_core.delivery.model import REFUSED, Delivery, DeliveryState
from courierx_core.feedback.model import Event, FeedbackKind
from courierx_core.feedback.service import count, event_of, follow
from courierx_core.ports.feedback import Feedback
from courierx_core.work import SEND_ITEM_MAX, WorkItem

_KINDS: Mapping[DeliveryState, FeedbackKind] = {"bounced": "bounced", "rejected": "rejected"}


def hear_refusals(courier: Courier, item: WorkItem) -> None:
    """Task of topic refusal."""
    keep_refusals(courier, item.tenant_id, item.subject_id)


def keep_refusals(courier: Courier, tenant_id: int, message_id: int) -> None:
    """Keep the events of all that was refused of a message and not told yet; states have moved already.

    One transaction ends every such item, whoever has it leased, and keeps its events: so each is kept once.
    Of who was erased nothing is kept.
    """
    with courier.store.begin(tenant_id) as unit:
        ids = [i for item in unit.work.end(message_id, topics=("refusal",)) for i in item.ids or ()]
        rows = [
            row
            for at in range(0, len(ids), SEND_ITEM_MAX)
            for row in unit.deliveries.some(ids[at : at + SEND_ITEM_MAX])
        ]
        kept = unit.events.append([_event(each) for each in rows if each.state in REFUSED and each.address])
        follow(unit, kept)
    count(courier, kept)


def _event(delivery: Delivery) -> Event:
    assert delivery.updated_at is not None
    told = Feedback(
        kind=_KINDS[delivery.state],
        recipient=delivery.address,
        at=delivery.updated_at,
        event_id=f"attempt {delivery.attempt}",
        status=delivery.status,
        reply=delivery.reply,
    )
    return event_of(delivery, delivery.transport, told)
