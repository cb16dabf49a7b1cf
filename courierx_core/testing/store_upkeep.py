"""What must hold between the rows, and that a store sees where it does not."""

from __future__ import annotations

from typing import Any

from courierx_core.campaigns.model import Campaign
from courierx_core.ports.store import Store
from courierx_core.ports.upkeep import Broken
from courierx_core.testing.store_deliveries import claim, finish
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.upkeep import service
from courierx_core.work import WorkItem

NOWHERE = 1 << 40


def broken(store: Store[Any], tenant: int) -> dict[str, tuple[int, tuple[int, ...]]]:
    with store.begin(tenant, write=False) as unit:
        return {each.invariant: (each.count, each.examples) for each in unit.upkeep.broken()}


class UpkeepContract:
    def test_rows_as_they_should_be_break_nothing(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            done, open_, deferred, cancelled = (new_message(unit) for _ in range(4))
            for message in (done, open_, deferred, cancelled):
                unit.deliveries.add(message, ["a@example.com", "b@example.com"])
        ledger = store.ledger()
        for item in claim(ledger):
            if item.subject_id == done.id:
                finish(ledger, item, "accepted")
        ledger.close()
        with store.begin(tenant) as unit:
            assert unit.messages.complete(done.id)
            unit.deliveries.cancel_open(cancelled.id)
        assert broken(store, tenant) == {}
        assert dict(service.check(store)) == {0: [], tenant: []}

    def test_what_is_broken_is_told(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store, "one"), add_tenant(store, "two")
        with store.begin(tenant) as unit:
            lost, miscounted = new_message(unit), new_message(unit)
            rows = unit.deliveries.add(lost, [f"{n}@example.com" for n in range(7)])
            unit.deliveries.add(miscounted, ["a@example.com"])
            assert len(unit.work.end(lost.id, topics=("send",))) == 1
            unit.campaigns.add(Campaign(tenant_id=tenant, name="May", subject="Hi", message_id=NOWHERE))
            orphan = unit.work.add(
                WorkItem(tenant_id=tenant, stream="broadcast", topic="send", subject_id=NOWHERE + 1)
            )
        ledger = store.ledger()
        (item,) = (item for item in claim(ledger) if item.subject_id == miscounted.id)
        ledger.close()
        with store.begin(tenant) as unit:
            unit.work.advance(item, cursor=item.cursor, counts={"accepted": 1})
        assert broken(store, tenant) == {
            "counters": (1, (miscounted.id,)),
            "open_deliveries_have_work": (7, tuple(row.id for row in rows[:5])),
            "no_orphans": (1, (orphan.id,)),
        }
        assert broken(store, other) == {}
        with store.begin(tenant, write=False) as unit:
            told = [each for each in unit.upkeep.broken(examples=2) if each.invariant == "no_orphans"]
        assert told == [
            Broken(
                invariant="no_orphans",
                what="campaigns whose message_id is not there",
                count=1,
                examples=(NOWHERE,),
            ),
            Broken(
                invariant="no_orphans",
                what="work to send a message that is not there",
                count=1,
                examples=(orphan.id,),
            ),
        ]

    def test_a_completed_message_has_nothing_open(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            assert unit.messages.complete(message.id)
            unit.deliveries.add(message, ["a@example.com"])
        assert broken(store, tenant) == {"completed_is_closed": (1, (message.id,))}
        with store.begin(tenant) as unit:
            assert unit.messages.reopen(message.id)
        assert broken(store, tenant) == {}
