"""What a store keeps of deliveries that `on_uncertain` sends once more."""

from __future__ import annotations

from typing import Any

from courierx_core.delivery.model import DeliveryState
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.testing.store_deliveries import claim, finish
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import OF_MESSAGE, WorkItem

LOST: tuple[DeliveryState, ...] = ("uncertain",)


def plan(unit: UnitOfWork, message_id: int, **fields: Any) -> WorkItem:
    item = WorkItem(
        tenant_id=unit.tenant_id, stream="broadcast", topic="resend", subject_id=message_id, **fields
    )
    return unit.work.add(item)


class ResendContract:
    def test_only_deliveries_in_the_states_asked_for_are_queued_again(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            for state in ("uncertain", "failed"):
                unit.deliveries.add(message, [f"{state}@example.com"])
        ledger = store.ledger()
        try:
            lost, failed = (
                finish(ledger, item, state)[0]
                for item, state in zip(claim(ledger), ("uncertain", "failed"), strict=True)
            )
        finally:
            ledger.close()
        with store.begin(tenant) as unit:
            assert unit.deliveries.requeue(message.id, [lost, failed], states=LOST) == [lost]
            assert unit.deliveries.totals(message.id) == {"queued": 1, "failed": 1}

    def test_how_many_were_sent_again_is_counted_beside_the_states(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            assert message.resent is None
            assert unit.messages.note_resent(message.id, 0).resent == 0
            unit.messages.note_resent(message.id, 3)
            unit.messages.note_resent(message.id, 2)
            assert unit.messages.get(message.id).resent == 5
            assert unit.deliveries.totals(message.id) == {}

    def test_it_waits_by_the_databases_clock(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            item = WorkItem(tenant_id=tenant, stream="broadcast", topic="resend", subject_id=7)
            unit.work.add(item, delay_seconds=3600)
        ledger = store.ledger()
        try:
            due = ledger.next_due(topics=("resend",))
            assert due is not None
            assert 3500 < due <= 3600
            assert ledger.claim("w", limit=1, lease_seconds=60, topics=("resend",)) == []
        finally:
            ledger.close()

    def test_while_it_is_planned_the_message_is_open_and_a_cancel_ends_it(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            item = plan(unit, message.id)
            assert not unit.messages.complete(message.id)
            assert unit.work.open_items(message.id) == 1
            assert unit.work.hold(message.id) == 1
            assert unit.work.unhold(message.id) == 1
            assert unit.work.hold_all("why", topics=OF_MESSAGE) == 1
            assert unit.deliveries.cancel_open(message.id) == 0
            assert unit.work.get(item.id).state == "done"
            assert unit.messages.complete(message.id)
