"""What the far side refused at once, while the mail was being handed over: told like a bounce that comes
back later. The window that records a refusal adds the item of this task, so a crash loses none."""

from __future__ import annotations

from collections.abc import Mapping

from courierx_core.courier import Courier
from courierx_core.delivery.model import REFUSED, Delivery, DeliveryState
from courierx_core.feedback.model import Event, FeedbackKind
from courierx_core.feedback.service import count, event_of, follow
from courierx_core.ports.feedback import Feedback
from courierx_core.work import WorkItem

_KINDS: Mapping[DeliveryState, FeedbackKind] = {"bounced": "bounced", "rejected": "rejected"}


def keep_refusals(courier: Courier, item: WorkItem) -> None:
    """Task of topic refusal: keep the events of its deliveries, whose states moved when they were refused.
    The same transaction ends the item, so each is kept once. Of who was erased nothing is kept."""
    with courier.store.begin(item.tenant_id) as unit:
        events = [
            _event(each)
            for each in unit.deliveries.some(item.ids or ())
            if each.state in REFUSED and each.address
        ]
        kept = unit.events.append(events)
        follow(unit, kept)
        unit.work.advance(item, cursor=item.hi, done=True)
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
