"""Use cases of deliveries: a person settles what nobody can know."""

from __future__ import annotations

from collections.abc import Sequence

from courierx_core.courier import Courier
from courierx_core.delivery.model import RESENDABLE, STATES, DeliveryState
from courierx_core.errors import Conflict, InvalidInput
from courierx_core.keep import Keep, nothing
from courierx_core.messages.service import campaign_of, complete_message, reopen
from courierx_core.notify import notify
from courierx_core.ports.store import UnitOfWork
from courierx_core.ports.transport import Stream
from courierx_core.work import WorkItem

UNCERTAIN: Sequence[DeliveryState] = ("uncertain",)
RESEND_PAGE = 1000
"""Deliveries that `on_uncertain` queues again in one transaction."""


def known_states(names: Sequence[str]) -> Sequence[DeliveryState]:
    """Return the states of these names. Raises InvalidInput for one that is no state."""
    known: dict[str, DeliveryState] = {state: state for state in STATES}
    for name in names:
        if name not in known:
            raise InvalidInput.of("state", "unknown", f"{name!r} is none of {', '.join(STATES)}")
    return [known[name] for name in names]


def resend(
    courier: Courier, tenant_id: int, delivery_ids: Sequence[int], *, keep: Keep[Sequence[int]] = nothing
) -> Sequence[int]:
    """Queue exactly these deliveries again; return them. Those whose mail may have arrived (uncertain) or
    failed may be asked for. Raises NotFound, InvalidInput naming each that is in another state, and Conflict
    while they are pruned."""
    wanted = sorted(set(delivery_ids))
    with courier.store.begin(tenant_id) as unit:
        found = [unit.deliveries.get(delivery_id) for delivery_id in wanted]
        for delivery in found:
            if delivery.state not in RESENDABLE:
                raise InvalidInput.of(
                    "delivery_ids", "state", f"delivery {delivery.id} is {delivery.state}, so it stays so"
                )
        by_message: dict[int, list[int]] = {}
        for delivery in found:
            by_message.setdefault(delivery.message_id, []).append(delivery.id)
        moved = [
            i for message_id, ids in by_message.items() for i in unit.deliveries.requeue(message_id, ids)
        ]
        streams = {_open_again(unit, message_id) for message_id in by_message}
        keep(unit, moved)
    for stream in streams:
        notify(courier, stream)
    return moved


def resend_uncertain(courier: Courier, item: WorkItem) -> None:
    """Task of topic resend: queue what of a message is still uncertain, newest first.

    Its cursor is the last delivery of a page that was queued with it, so that a crash repeats nothing and
    what is uncertain again stays so.
    """
    cursor, more = item.cursor, True
    while more:
        with courier.store.begin(item.tenant_id) as unit:
            found = unit.deliveries.list(
                message_id=item.subject_id, state="uncertain", before=cursor or None, limit=RESEND_PAGE
            )
            cursor, more = found[-1].id if found else cursor, len(found) == RESEND_PAGE
            unit.work.advance(item, cursor=cursor, done=not more)
            ids = [delivery.id for delivery in found]
            moved = unit.deliveries.requeue(item.subject_id, ids, states=UNCERTAIN)
            unit.messages.note_resent(item.subject_id, len(moved))
        notify(courier, item.stream)
    complete_message(courier, item.tenant_id, item.subject_id)


def _open_again(unit: UnitOfWork, message_id: int) -> Stream:
    """Let a message show that something of it is open; with a paused campaign it waits for its resume."""
    reopen(unit, message_id)
    message = unit.messages.get(message_id)
    if message.pruned_at is not None:
        raise Conflict(f"Message {message_id} is being pruned: what it was for is no longer kept.")
    campaign = campaign_of(unit, message)
    if campaign is not None and campaign.status == "paused":
        unit.work.hold(message_id)
    return message.stream
