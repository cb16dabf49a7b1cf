"""Feedback: each word lands on the delivery it is about, once, and keeps the lists clean.

Everything that comes back goes through here, whoever heard it: a provider's webhook, a bounce in the
mail, a click. One transaction per delivery: the window locks deliveries in the order of their answers,
so nobody else may hold two.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.errors import InvalidInput, NotFound
from courierx_core.feedback.model import ARRIVALS, SOFT_PAUSE, Event, after, gave_up
from courierx_core.mail.address import split_address
from courierx_core.mail.bounce_class import classify
from courierx_core.mail.status import parse_status
from courierx_core.mail.token import BadToken, Kind
from courierx_core.metrics.model import FEEDBACK
from courierx_core.ports.feedback import Feedback
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.model import PLATFORM_WIDE, Cause, Suppression
from courierx_core.webhooks import service as webhooks
from courierx_core.words import WORDS_MAX, storable

log = logging.getLogger("courierx.feedback")

RAW_MAX = 64 * 1024
"""Bytes of a source's own account that are kept."""
KEPT_FOR = timedelta(hours=24)
"""How long what fits no delivery yet is tried again: it may have come before the provider's own answer."""
KEPT_TRIES = 200
"""How many of them are tried at a time, newest first."""
EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
LATEST = datetime(2100, 1, 1, tzinfo=timezone.utc)
HISTORY = 50
"""Events of an address that are read to find a run of soft bounces."""


class Received(msgspec.Struct, frozen=True):
    """What became of some feedback. `events` are new; `known` came before; `unmatched` fits no delivery."""

    events: tuple[Event, ...] = ()
    known: int = 0
    unmatched: int = 0


def receive(
    courier: Courier, source: str, feedback: Sequence[Feedback], *, tenant_id: int | None = None
) -> Received:
    """Apply what a source says: match it, keep it as events, move deliveries, suppress addresses.

    Safe to repeat in any order. With `tenant_id` the source may speak of that tenant's mail only.
    """
    matched: dict[tuple[int, int], list[Feedback]] = {}
    unmatched: list[Feedback] = []
    for each in map(_cleaned, feedback):
        target = find(courier, source, each)
        if target is None or tenant_id not in (None, target[0]):
            unmatched.append(each)
        else:
            matched.setdefault(target, []).append(each)
    events: list[Event] = []
    known = 0
    for (owner, delivery_id), told in matched.items():
        try:
            with courier.store.begin(owner) as unit:
                new = record(unit, delivery_id, source, told)
        except NotFound:  # erased since it was found
            unmatched += told
        else:
            events += new
            count(courier, new)
            known += len(told) - len(new)
    _keep(courier, source, [each for each in unmatched if each.provider_id and not each.send_id], tenant_id)
    return Received(tuple(events), known, len(unmatched))


def count(courier: Courier, events: Sequence[Event]) -> None:
    """Count new events for the metrics."""
    for event in events:
        courier.tallies.count(FEEDBACK, event.source, event.kind, tenant_id=event.tenant_id)


def find(courier: Courier, source: str, feedback: Feedback) -> tuple[int, int] | None:
    """Return (tenant id, delivery id) of what it is about: by our own token, else by the provider's id."""
    if feedback.send_id:
        return named_by(courier, feedback.send_id)
    if not (feedback.provider_id and feedback.recipient):
        return None
    # what belongs to no transport may speak of the mail of each
    via = [source] if source in courier.transports else list(courier.transports)
    address = address_of(feedback.recipient)
    with courier.store.platform(write=False) as platform:
        found = (platform.delivery_of(name, feedback.provider_id, address) for name in via)
        return next((each for each in found if each is not None), None)


def named_by(courier: Courier, text: str, kind: Kind | None = None) -> tuple[int, int] | None:
    """Return (tenant id, delivery id) of a token that is truly ours and, if given, of that kind."""
    try:
        token = courier.tokens.read(text)
        with courier.store.platform(write=False) as platform:
            owner = platform.owner_of("deliveries", token.delivery_id)
        if owner is None or kind not in (None, token.kind) or token.kind == "confirm":  # of an opt-in
            return None
        courier.tokens.verify(token, owner)
    except BadToken:
        return None
    return owner, token.delivery_id


def record(unit: UnitOfWork, delivery_id: int, source: str, feedback: Sequence[Feedback]) -> Sequence[Event]:
    """Keep what is new of one delivery's feedback, move it and suppress its address; return the new events.
    Of a person who was erased nothing is kept.

    Raises NotFound. It locks the delivery until the unit ends: use a unit for each.
    """
    delivery = unit.deliveries.lock(delivery_id)
    if not delivery.address:
        return ()
    new = unit.events.add([event_of(delivery, source, each) for each in feedback])
    state, telling = delivery.state, None
    for event in new:
        moved = after(state, event.kind)
        if moved != state:
            state, telling = moved, event
    if telling is not None:
        unit.deliveries.prove(delivery, state, telling)
    follow(unit, new)
    return new


def follow(unit: UnitOfWork, events: Sequence[Event]) -> None:
    """Do what follows from new events: addresses are suppressed, and receivers told."""
    for event in sorted(events, key=lambda event: event.recipient):  # so that two units never deadlock
        _suppress(unit, event)
    webhooks.announce(unit, events)


def match_kept(courier: Courier) -> int:
    """Try again what fitted no delivery when it came; return how many do now. What is too old is let go."""
    since = courier.runtime.now() - KEPT_FOR
    with courier.store.begin(PLATFORM_WIDE) as unit:
        unit.events.let_go(before=since)
        kept = unit.events.list(limit=KEPT_TRIES)
    found = []
    for event in kept:
        target = find(courier, event.source, _told(event))
        # raw tells which tenant's endpoint heard it
        if target is not None and event.raw.get("tenant_id") in (None, target[0]):
            with courier.store.begin(target[0]) as unit:
                new = record(unit, target[1], event.source, [_told(event)])
            count(courier, new)
            found.append(event.id)
    if found:
        with courier.store.begin(PLATFORM_WIDE) as unit:
            unit.events.let_go(ids=found)
    return len(found)


def address_of(text: str) -> str:
    """Return the address in `Name <a@b>` or `a@b` as we store addresses; a text that is none as it came."""
    try:
        return split_address(text).email
    except InvalidInput:
        return text.strip().lower()


def event_of(delivery: Delivery, source: str, feedback: Feedback) -> Event:
    """Make the event that a source's feedback about a delivery is."""
    status = parse_status(feedback.status) or parse_status(feedback.reply)
    bounce = feedback.bounce
    if feedback.kind == "bounced" and bounce is None:
        bounce = classify(status, feedback.reply)
    return Event(
        tenant_id=delivery.tenant_id,
        at=feedback.at,
        kind=feedback.kind,
        message_id=delivery.message_id,
        delivery_id=delivery.id,
        recipient=delivery.address,
        source=source,
        event_key=_key(source, feedback),
        machine=feedback.machine,
        provider_id=feedback.provider_id,
        status=status,
        reply=feedback.reply,
        bounce=bounce,
        url=feedback.url,
        user_agent=feedback.user_agent,
        raw=_raw(feedback.raw),
    )


def _key(source: str, feedback: Feedback) -> str:
    """Name the occurrence. A provider without ids of its own is told by its time alone, whoever passes it
    on; so an event that comes by two ways is one."""
    return f"{source}:{feedback.event_id}" if feedback.event_id else feedback.at.isoformat()


def _raw(text: str) -> Mapping[str, Any]:
    """Return a source's account as JSON that every store takes, cut where it is too long."""
    if not text:
        return {}
    if len(text) < RAW_MAX and "\\u0000" not in text:
        try:
            found = msgspec.json.decode(text)
            msgspec.json.encode(found)
        except (ValueError, OverflowError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
    return {"text": text}


def _cleaned(feedback: Feedback) -> Feedback:
    """Cut what a stranger made too long, and put an impossible time to the nearest possible one."""
    at = feedback.at if feedback.at.tzinfo else feedback.at.replace(tzinfo=timezone.utc)
    texts = {
        name: storable(getattr(feedback, name), longest)
        for name, longest in (
            ("event_id", WORDS_MAX), ("provider_id", WORDS_MAX), ("recipient", WORDS_MAX),
            ("status", WORDS_MAX), ("reply", WORDS_MAX), ("url", 2000), ("user_agent", WORDS_MAX),
            ("raw", RAW_MAX),
        )
    }  # fmt: skip
    return msgspec.structs.replace(feedback, at=min(max(at, EARLIEST), LATEST), **texts)


def _suppress(unit: UnitOfWork, event: Event) -> None:
    cause: Cause
    expires = None
    if event.kind == "complained":
        cause, reason = "complaint", "complained"
    elif event.kind == "unsubscribed":
        cause, reason = "unsubscribe", "unsubscribed"
    elif event.kind == "bounced" and event.bounce == "hard":
        cause, reason = "hard_bounce", f"hard bounce {event.status}".strip()
    elif event.kind == "bounced" and event.bounce == "soft" and _gave_up(unit, event.recipient):
        cause, reason, expires = "hard_bounce", "soft bounces for a week", event.at + SOFT_PAUSE
    else:
        return
    unit.suppressions.strengthen(
        Suppression(
            tenant_id=unit.tenant_id, address=event.recipient, reason=reason, cause=cause, expires_at=expires
        )
    )


def _gave_up(unit: UnitOfWork, recipient: str) -> bool:
    return gave_up(unit.events.list(recipient=recipient, kinds=("bounced", *ARRIVALS), limit=HISTORY))


def _keep(courier: Courier, source: str, feedback: Sequence[Feedback], tenant_id: int | None) -> None:
    if not feedback:
        return
    log.info("%s speaks of %s that fits no delivery yet", source, len(feedback))
    with courier.store.begin(PLATFORM_WIDE) as unit:
        unit.events.add([_kept(source, each, tenant_id) for each in feedback])


def _kept(source: str, feedback: Feedback, tenant_id: int | None) -> Event:
    return Event(
        tenant_id=PLATFORM_WIDE,
        at=feedback.at,
        kind=feedback.kind,
        recipient=address_of(feedback.recipient),
        source=source,
        event_key=_key(source, feedback),
        provider_id=feedback.provider_id,
        raw={"tenant_id": tenant_id, "feedback": msgspec.to_builtins(feedback)},
    )


def _told(event: Event) -> Feedback:
    return msgspec.convert(event.raw["feedback"], Feedback)
