"""Webhooks and their calls, as every store must keep them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from courierx_core.errors import NotFound
from courierx_core.feedback.model import Event
from courierx_core.ports.driver import utcnow
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.webhooks.model import Attempt, Call, Webhook, disabled
from courierx_core.work import WorkItem


def new(tenant_id: int, **fields: Any) -> Webhook:
    values: dict[str, Any] = {"url": "https://x.example/é", "types": ("delivery.bounced",), **fields}
    return Webhook(tenant_id=tenant_id, secret=b"\0\xff", **values)


def call(webhook: Webhook, **fields: Any) -> Call:
    values: dict[str, Any] = {"type": "delivery.bounced", "event_id": 7, **fields}
    return Call(tenant_id=webhook.tenant_id, webhook_id=webhook.id, **values)


class WebhooksContract:
    def test_a_webhook_is_kept_whole_and_changed(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        with store.begin(other) as unit:
            theirs = unit.webhooks.add(new(other))
        with store.begin(tenant) as unit:
            added = unit.webhooks.add(new(tenant))
            assert msgspec.structs.replace(added, id=0, created_at=None, updated_at=None) == new(tenant)
            assert unit.webhooks.get(added.id) == unit.webhooks.lock(added.id) == added
            failing = msgspec.structs.replace(
                added, failures=3, failing_since=utcnow().replace(microsecond=0), types=()
            )
            saved = unit.webhooks.save(failing)
            assert msgspec.structs.replace(saved, updated_at=added.updated_at) == failing
            second = unit.webhooks.add(new(tenant))
            assert [each.id for each in unit.webhooks.listening()] == [added.id, second.id]
            unit.webhooks.save(disabled(saved, "gone"))
            assert [each.id for each in unit.webhooks.listening()] == [second.id]
            assert [each.id for each in unit.webhooks.list(limit=1)] == [second.id]
            assert [each.id for each in unit.webhooks.list(before=second.id)] == [added.id]
            for missing in (unit.webhooks.get, unit.webhooks.lock, unit.webhooks.remove):
                with pytest.raises(NotFound):
                    missing(theirs.id)
            with pytest.raises(NotFound):
                unit.webhooks.save(theirs)
        with store.platform() as platform:
            assert platform.owner_of("webhooks", theirs.id) == other

    def test_calls_wait_are_tried_and_go_with_their_webhook(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            webhook, other = unit.webhooks.add(new(tenant)), unit.webhooks.add(new(tenant))
            assert unit.webhook_calls.next_due(webhook.id) is None
            unit.webhook_calls.add([call(webhook), call(webhook, event_id=None)])
            unit.webhook_calls.add([call(other)])
            first, second = unit.webhook_calls.due(webhook.id, limit=10)
            assert unit.webhook_calls.next_due(webhook.id) == 0
            assert (first.event_id, second.event_id, first.state, first.attempts) == (7, None, "waiting", ())
            assert unit.webhook_calls.due(webhook.id, limit=1) == [first]
            attempt = Attempt(at=utcnow().replace(microsecond=0), seconds=0.5, status=500, response="é")
            unit.webhook_calls.save(msgspec.structs.replace(first, attempts=(attempt,)), delay_seconds=3600)
            assert unit.webhook_calls.get(first.id).attempts == (attempt,)
            assert [each.id for each in unit.webhook_calls.due(webhook.id, limit=10)] == [second.id]
            unit.webhook_calls.save(msgspec.structs.replace(second, state="told"), delay_seconds=0)
            later = unit.webhook_calls.next_due(webhook.id)
            assert later is not None
            assert 3000 < later <= 3600
            assert [each.id for each in unit.webhook_calls.list(webhook.id)] == [second.id, first.id]
            assert [each.id for each in unit.webhook_calls.list(webhook.id, state="told")] == [second.id]
            assert [each.id for each in unit.webhook_calls.list(webhook.id, before=second.id)] == [first.id]
            assert unit.webhook_calls.let_go(webhook.id, before=utcnow() - timedelta(days=1)) == 0
            assert unit.webhook_calls.let_go(webhook.id, before=utcnow() + timedelta(days=1)) == 1
            left = len(unit.webhook_calls.list(webhook.id))
            assert (
                unit.webhook_calls.let_go(webhook.id, before=utcnow() - timedelta(days=1), waiting=True) == 0
            )
            tomorrow = utcnow() + timedelta(days=1)
            assert unit.webhook_calls.let_go(webhook.id, before=tomorrow, waiting=True) == left > 0
            unit.webhooks.remove(webhook.id)
            assert unit.webhook_calls.list(webhook.id) == []
            assert len(unit.webhook_calls.list(other.id)) == 1
            for missing in (lambda: unit.webhook_calls.get(first.id), lambda: save_again(unit, first)):
                with pytest.raises(NotFound):
                    missing()

    def test_events_are_found_by_id_and_within_a_span(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            delivery = unit.deliveries.add(message, ["a@x.example"])[0].id
            noon = utcnow().replace(hour=12, minute=0, second=0, microsecond=0)
            made = unit.events.append(
                [
                    Event(
                        tenant_id=tenant, at=noon + timedelta(hours=hour), kind="opened", event_key=f"{hour}",
                        message_id=message.id, delivery_id=delivery, recipient="a@x.example", source="link",
                    )
                    for hour in range(3)
                ]
            )  # fmt: skip
            ids = [each.id for each in made]
            assert [unit.events.get(each) for each in ids] == list(made)
            assert {each.id for each in unit.events.some([*ids[:2], 1 << 40])} == set(ids[:2])
            span = unit.events.list(since=noon, until=noon + timedelta(hours=2))
            assert [each.id for each in span] == [ids[1], ids[0]]
            assert unit.events.append(made, again=True) == []
            with pytest.raises(NotFound):
                unit.events.get(1 << 40)

    def test_what_is_due_later_can_be_hastened(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            item = WorkItem(
                tenant_id=tenant, stream="broadcast", topic="webhook", subject_id=7,
                due_at=utcnow() + timedelta(hours=1),
            )  # fmt: skip
            made = unit.work.add(item)
            assert unit.work.hasten(8, topics=("webhook",)) == unit.work.hasten(7, topics=("send",)) == 0
            assert unit.work.hasten(7, topics=("webhook",)) == 1
            due = unit.work.get(made.id).due_at
            assert due is not None
            assert due < utcnow() + timedelta(minutes=5)
            assert unit.work.hasten(7, topics=("webhook",)) == 0


def save_again(unit: Any, call: Call) -> None:
    unit.webhook_calls.save(call, delay_seconds=0)
