"""Use cases of webhooks: add, change, rotate, test, replay; and say what is to be told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.errors import Conflict, InvalidInput
from courierx_core.feedback.model import Event
from courierx_core.ports.driver import Secret
from courierx_core.ports.store import UnitOfWork
from courierx_core.webhooks import signing
from courierx_core.webhooks.model import TEST, TYPES, Call, Webhook, WebhookStatus, disabled, enabled
from courierx_core.webhooks.target import networks_of, read_url
from courierx_core.work import Topic, WorkItem

TOPICS: tuple[Topic, ...] = ("webhook",)
MOST = 100
"""Webhooks a tenant may have."""
DESCRIPTION_MAX = 255
REPLAY_MAX = 10_000
"""Events of one replay."""
PAGE = 1000


class NewWebhook(NamedTuple):
    """One that was just added, or has a new secret: the only time that it is shown."""

    webhook: Webhook
    secret: Secret


def create(
    courier: Courier, unit: UnitOfWork, url: str, *, types: Sequence[str] = (), description: str = ""
) -> NewWebhook:
    """Add a receiver with a secret of its own. Raises InvalidInput with every bad field."""
    if len(unit.webhooks.list(limit=MOST)) == MOST:
        raise Conflict(f"A tenant has at most {MOST} webhooks: remove one first.")
    secret = signing.new_secret()
    wanted = Webhook(
        tenant_id=unit.tenant_id,
        url=url,
        types=tuple(types),
        description=description,
        secret=signing.sealed(courier.secrets, secret),
    )
    added = unit.webhooks.add(_checked(courier, wanted))
    _begin(unit, added.id)
    return NewWebhook(added, secret)


def edit(
    courier: Courier,
    unit: UnitOfWork,
    webhook_id: int,
    *,
    url: str | None = None,
    types: Sequence[str] | None = None,
    description: str | None = None,
    status: WebhookStatus | None = None,
) -> Webhook:
    """Change what is given. What waits for a disabled one is told once it is enabled. Raises InvalidInput."""
    present = unit.webhooks.lock(webhook_id)
    given = {"url": url, "types": None if types is None else tuple(types), "description": description}
    changes = {field: value for field, value in given.items() if value is not None}
    changed = _checked(courier, msgspec.structs.replace(present, **changes))
    if status == "enabled" != present.status:
        changed = enabled(changed)
        _begin(unit, webhook_id)
    elif status == "disabled" != present.status:
        changed = disabled(changed, "")
        unit.work.end(webhook_id, topics=TOPICS)
    return unit.webhooks.save(changed)


def rotate(courier: Courier, unit: UnitOfWork, webhook_id: int) -> NewWebhook:
    """Give it a new secret; for a day the old one signs beside it."""
    present = unit.webhooks.lock(webhook_id)
    secret = signing.new_secret()
    kept = signing.rotated(courier.secrets, present.secret, secret, courier.runtime.now())
    return NewWebhook(unit.webhooks.save(msgspec.structs.replace(present, secret=kept)), secret)


def remove(unit: UnitOfWork, webhook_id: int) -> None:
    """Delete a receiver, with its log and all that it was to be told."""
    unit.webhooks.lock(webhook_id)
    unit.work.end(webhook_id, topics=TOPICS)
    unit.webhooks.remove(webhook_id)


def announce(unit: UnitOfWork, events: Sequence[Event]) -> None:
    """Have each receiver told of the events that it wants, once this unit is committed."""
    webhooks = unit.webhooks.listening() if events else ()
    for webhook in webhooks:
        calls = [_call(webhook, event) for event in events if webhook.wants(event.kind)]
        if calls:
            unit.webhook_calls.add(calls)
            _hasten(unit, webhook)


def test(unit: UnitOfWork, webhook_id: int) -> int:
    """Have it told of nothing but that it is tested; return 1. Raises Conflict where it is disabled."""
    webhook = _listening(unit, webhook_id)
    unit.webhook_calls.add([Call(tenant_id=unit.tenant_id, webhook_id=webhook.id, type=TEST)])
    _hasten(unit, webhook)
    return 1


def replay(unit: UnitOfWork, webhook_id: int, event_id: int) -> int:
    """Have it told of one event, again or for the first time; return 1. Raises NotFound, Conflict."""
    webhook = _listening(unit, webhook_id)
    event = unit.events.get(event_id)
    if not webhook.wants(event.kind):
        raise Conflict(f"The webhook {webhook.id} is not told of {event.kind} events; see its types.")
    unit.webhook_calls.add([_call(webhook, event)])
    _hasten(unit, webhook)
    return 1


def replay_span(unit: UnitOfWork, webhook_id: int, since: datetime, until: datetime) -> int:
    """Have it told of every event from `since` to before `until`; return how many. Raises InvalidInput for
    more than REPLAY_MAX, Conflict where it is disabled."""
    webhook = _listening(unit, webhook_id)
    kinds = [kind for kind in TYPES if webhook.wants(kind)]
    found: list[Event] = []
    before: int | None = None
    while page := unit.events.list(kinds=kinds, since=since, until=until, before=before, limit=PAGE):
        found += page
        before = page[-1].id
        if len(found) > REPLAY_MAX:
            message = f"holds more than {REPLAY_MAX} events; take a shorter span"
            raise InvalidInput.of("until", "too_many", message)
    for first in range(0, len(found), PAGE):
        unit.webhook_calls.add([_call(webhook, event) for event in found[::-1][first : first + PAGE]])
    if found:
        _hasten(unit, webhook)
    return len(found)


def _call(webhook: Webhook, event: Event) -> Call:
    return Call(tenant_id=webhook.tenant_id, webhook_id=webhook.id, type=TYPES[event.kind], event_id=event.id)


def _listening(unit: UnitOfWork, webhook_id: int) -> Webhook:
    webhook = unit.webhooks.get(webhook_id)
    if webhook.status == "disabled":
        raise Conflict(f"The webhook {webhook_id} is disabled: enable it first.")
    return webhook


def _begin(unit: UnitOfWork, webhook_id: int) -> None:
    """Add the item of work that there is for each enabled receiver, for as long as it is that."""
    unit.work.end(webhook_id, topics=TOPICS)
    unit.work.add(
        WorkItem(tenant_id=unit.tenant_id, stream="broadcast", topic="webhook", subject_id=webhook_id)
    )


def _hasten(unit: UnitOfWork, webhook: Webhook) -> None:
    if not webhook.failures:  # one that fails has its rest
        unit.work.hasten(webhook.id, topics=TOPICS)


def _checked(courier: Courier, webhook: Webhook) -> Webhook:
    checks = Checks()
    networks = networks_of(courier.policy.webhook_networks)
    url = checks.by("url", webhook.url, lambda text, _field: read_url(text, networks))
    for place, each in enumerate(webhook.types):
        if each not in TYPES.values():
            checks.add(f"types[{place}]", "invalid", f"{each!r:.60} is none of {', '.join(TYPES.values())}")
    description = checks.text("description", webhook.description, longest=DESCRIPTION_MAX, required=False)
    checks.done()
    types = tuple(dict.fromkeys(webhook.types))
    return msgspec.structs.replace(webhook, url=url, types=types, description=description)
