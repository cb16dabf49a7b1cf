"""Tell a receiver what waits for it: the task of topic webhook, in a lane of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from http.client import HTTPException
from typing import NamedTuple, TypeAlias

import msgspec

from courierx_core.courier import Courier
from courierx_core.errors import NotFound
from courierx_core.operator_mail import tell_operator
from courierx_core.ports.driver import Secret
from courierx_core.ports.store import UnitOfWork
from courierx_core.webhooks import signing, telling
from courierx_core.webhooks.model import LOG_DAYS, Attempt, Call, Webhook, answered, tried
from courierx_core.webhooks.post import Answer, Reach, post
from courierx_core.webhooks.target import Refused, networks_of
from courierx_core.work import WorkItem

log = logging.getLogger("courierx.webhooks")

ABREAST = 8
"""Requests to one receiver at a time."""
ROUND = 40
"""Calls of one turn, as long as it is not slow."""
SLOW_SECONDS = 2.0
"""After an answer that took longer the turn ends, and the receiver is left alone for as long as the turn
took: others have at least half of the lane."""
IDLE_SECONDS = 15.0
"""How often a receiver's calls are looked for, if nobody said that there are some."""
BUSY_SECONDS = 1.0
"""The same, where there just were some: more may have come meanwhile."""

Done: TypeAlias = tuple[Call, Attempt]


class Turn(NamedTuple):
    """What is to be told now, and calls whose event was erased."""

    ready: Sequence[tuple[Call, bytes]] = ()
    gone: Sequence[Call] = ()


def tell(courier: Courier, item: WorkItem) -> None:
    """Call one receiver with what is due, and see when to come again. A crash in between tells it again,
    under the same ids."""
    with courier.store.begin(item.tenant_id, write=False) as unit:
        webhook = unit.webhooks.get(item.subject_id)
        turn = _turn(
            courier, unit, unit.webhook_calls.due(webhook.id, limit=1 if webhook.failures else ROUND)
        )
    began = courier.runtime.monotonic()
    done = _called(courier, webhook, turn.ready) if turn.ready else ()
    took = courier.runtime.monotonic() - began
    after = _record(courier, item, done, turn.gone, rest=took if _slow(done) else 0.0)
    if after.status == "disabled":
        _disabled(courier, after)


def _turn(courier: Courier, unit: UnitOfWork, calls: Sequence[Call]) -> Turn:
    events = {each.id: each for each in unit.events.some([call.event_id for call in calls if call.event_id])}
    metadata: dict[int | None, Mapping[str, str]] = {}
    ready, gone = [], []
    for call in calls:
        if call.event_id is None:
            ready.append((call, msgspec.json.encode(telling.of_test(call, courier.runtime.now()))))
        elif (event := events.get(call.event_id)) is None:
            gone.append(call)
        else:
            if event.message_id not in metadata:
                metadata[event.message_id] = _metadata(unit, event.message_id)
            told = telling.of_event(call, event, metadata[event.message_id])
            ready.append((call, msgspec.json.encode(told)))
    return Turn(ready, gone)


def _metadata(unit: UnitOfWork, message_id: int | None) -> Mapping[str, str]:
    try:
        return {} if message_id is None else unit.messages.get(message_id).content.metadata
    except NotFound:
        return {}


def _called(courier: Courier, webhook: Webhook, ready: Sequence[tuple[Call, bytes]]) -> Sequence[Done]:
    """Make the calls, a few at a time, until they are done, fail or are slow."""
    secrets = signing.signing(courier.secrets, webhook.secret, courier.runtime.now())
    reach = Reach(networks_of(courier.policy.webhook_networks))
    call = partial(_attempt, courier, webhook, secrets, reach)
    done: list[Done] = []
    with ThreadPoolExecutor(min(ABREAST, len(ready)), "courierx-webhook") as pool:
        for first in range(0, len(ready), ABREAST):
            abreast = list(pool.map(call, ready[first : first + ABREAST]))
            done += abreast
            if _slow(abreast) or not any(attempt.taken for _call, attempt in abreast):
                break
    return done


def _attempt(
    courier: Courier, webhook: Webhook, secrets: Sequence[Secret], reach: Reach, ready: tuple[Call, bytes]
) -> Done:
    call, body = ready
    now, began = courier.runtime.now(), courier.runtime.monotonic()
    answer, error = Answer(0, ""), ""
    try:
        headers = signing.headers(secrets, telling.id_of(call), now, body)
        answer = post(webhook.url, headers, body, reach)
    except (Refused, OSError, HTTPException) as problem:
        error = str(problem) or type(problem).__name__
    seconds = round(courier.runtime.monotonic() - began, 3)
    return call, Attempt(
        at=now,
        seconds=seconds,
        status=answer.status,
        error=error,
        response=answer.body,
        retry_after=answer.retry_after,
    )


def _record(
    courier: Courier, item: WorkItem, done: Sequence[Done], gone: Sequence[Call], *, rest: float
) -> Webhook:
    with courier.store.begin(item.tenant_id) as unit:
        changed = webhook = unit.webhooks.lock(item.subject_id)
        for call in gone:
            unit.webhook_calls.save(msgspec.structs.replace(call, state="failed"), delay_seconds=0)
        for call, attempt in done:
            after, delay = tried(call, attempt)
            unit.webhook_calls.save(after, delay_seconds=delay)
        if done:
            changed, pause = answered(webhook, [each for _call, each in done], courier.runtime.now())
            if changed != webhook:
                unit.webhooks.save(changed)
            if changed.status == "disabled":
                unit.work.advance(item, cursor=item.cursor, done=True)
                return changed
            rest = max(rest, pause)
        else:
            unit.webhook_calls.let_go(webhook.id, before=courier.runtime.now() - timedelta(days=LOG_DAYS))
        waits = unit.webhook_calls.next_due(webhook.id)
        idle = BUSY_SECONDS if done else IDLE_SECONDS
        delay = max(rest, idle if waits is None else min(waits, idle))
        unit.work.advance(item, cursor=item.cursor, delay_seconds=delay)
    return changed


def _disabled(courier: Courier, webhook: Webhook) -> None:
    log.warning("webhook %s is disabled: %s", webhook.id, webhook.disabled_reason)
    text = (
        f"The webhook {webhook.id} of tenant {webhook.tenant_id} is disabled, and no longer called:\n\n"
        f"    {webhook.url}\n    {webhook.disabled_reason}\n\n"
        f"What waits for it is kept. Once it is mended: courierx webhooks enable {webhook.id}"
        f" --tenant {webhook.tenant_id}\n"
    )
    tell_operator(courier, f"CourierX: the webhook {webhook.id} is disabled", text)


def _slow(done: Sequence[Done]) -> bool:
    return any(attempt.seconds > SLOW_SECONDS for _call, attempt in done)
