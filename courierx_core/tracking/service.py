"""Keep readers' clicks and opens, as sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.errors import NotFound
from courierx_core.feedback.model import Event, after
from courierx_core.feedback.service import count
from courierx_core.mail.token import BadToken, Token
from courierx_core.tracking.links import Links, Target
from courierx_core.tracking.model import BURST, Hit
from courierx_core.webhooks import service as webhooks

SOURCE = "link"


def keep(courier: Courier, links: Links, hits: Sequence[Hit], *, again: bool = False) -> int:
    """Write hits down as events, a transaction for each tenant; return how many were truly of our mail.

    A hit proves that the mail arrived, a scanner's too. Raises StoreError: then those of some tenants may
    be kept, and whoever tries `again` with the same hits keeps none twice.
    """
    targets = links.learn({hit.token.delivery_id for hit in hits})
    theirs: dict[int, list[Hit]] = {}
    for hit in hits:
        target = targets.get(hit.token.delivery_id)
        if target is not None and _is_true(courier, hit.token, target.tenant_id):
            theirs.setdefault(target.tenant_id, []).append(hit)
    for tenant_id, group in sorted(theirs.items()):
        _keep(courier, tenant_id, group, targets, again)
    return sum(map(len, theirs.values()))


def _keep(
    courier: Courier, tenant_id: int, hits: Sequence[Hit], targets: Mapping[int, Target], again: bool
) -> None:
    bursts = _bursts(hits)
    with courier.store.begin(tenant_id) as unit:
        rows = {each.id: each for each in unit.deliveries.some({hit.token.delivery_id for hit in hits})}
        events: list[Event] = []
        moving: dict[int, Event] = {}
        for hit in hits:
            delivery = rows.get(hit.token.delivery_id)
            if delivery is None or not delivery.address:  # erased since
                continue
            event = _event(hit, delivery, targets[delivery.id], machine=hit.machine or delivery.id in bursts)
            events.append(event)
            if _proves(delivery):
                moving[delivery.id] = event
        webhooks.announce(unit, unit.events.append(events, again=again))
        moved = unit.deliveries.arrive(moving) if moving else frozenset()
    count(courier, events)
    for delivery_id in moving.keys() - moved:
        _arrive(courier, tenant_id, delivery_id, moving[delivery_id])


def _arrive(courier: Courier, tenant_id: int, delivery_id: int, event: Event) -> None:
    """Move one that somebody else was at, in a unit of its own: nobody waits for it with another in hand."""
    try:
        with courier.store.begin(tenant_id) as unit:
            delivery = unit.deliveries.lock(delivery_id)
            if _proves(delivery):
                unit.deliveries.prove(delivery, after(delivery.state, event.kind), event)
    except NotFound:  # erased since
        return


def _proves(delivery: Delivery) -> bool:
    return after(delivery.state, "opened") != delivery.state


def _event(hit: Hit, delivery: Delivery, target: Target, *, machine: bool) -> Event:
    number = hit.token.link
    clicked = hit.kind == "clicked" and number < len(target.links)
    return Event(
        tenant_id=delivery.tenant_id,
        at=hit.at,
        kind=hit.kind,
        message_id=delivery.message_id,
        delivery_id=delivery.id,
        recipient=delivery.address,
        source=SOURCE,
        event_key=hit.key,
        machine=machine,
        url=target.links[number] if clicked else "",
        user_agent=hit.user_agent,
    )


def _bursts(hits: Sequence[Hit]) -> Collection[int]:
    """Return the deliveries of which many different links were followed at once."""
    clicked = {(hit.token.delivery_id, hit.token.link) for hit in hits if hit.kind == "clicked"}
    links = Counter(delivery_id for delivery_id, _ in clicked)
    return {delivery_id for delivery_id, n in links.items() if n >= BURST}


def _is_true(courier: Courier, token: Token, tenant_id: int) -> bool:
    try:
        courier.tokens.verify(token, tenant_id)
    except BadToken:
        return False
    return True
