"""Clicks and opens as sets, as every store must keep them."""

from __future__ import annotations

import threading
from typing import Any

import msgspec

from courierx_core.delivery.model import STATES, Delivery, DeliveryState, evidence
from courierx_core.feedback.model import Event
from courierx_core.ports.reports import Tally
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.testing.store_events import NOON, deliver, event
from courierx_core.testing.store_samples import add_tenant, new_message


def put(unit: UnitOfWork, delivery: Delivery, state: DeliveryState) -> None:
    """Bring a queued delivery into any state, its counter with it."""
    unit.deliveries.prove(delivery, state, event(delivery, "other"))


class TrackingContract:
    def test_a_delivery_tells_its_message_and_tenant(self, store: Store[Any]) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        wanted = {}
        for tenant in (one, two):
            with store.begin(tenant) as unit:
                for each in deliver(unit, "a@example.com", "b@example.com"):
                    wanted[each.id] = (tenant, each.message_id)
        with store.platform(write=False) as platform:
            assert platform.messages_of([*wanted, max(wanted) + 1000, 0, -1, 1 << 64]) == wanted
            assert platform.messages_of([min(wanted)]) == {min(wanted): wanted[min(wanted)]}
            assert platform.messages_of([]) == {}

    def test_some_are_those_of_the_tenant(self, store: Store[Any]) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        with store.begin(one) as unit:
            theirs = deliver(unit)
        with store.begin(two) as unit:
            ours = deliver(unit, "b@example.com", "c@example.com")
            asked = {each.id for each in (*theirs, *ours)}
            found = sorted(unit.deliveries.some(asked), key=lambda each: each.id)
            assert [each.id for each in found] == [each.id for each in ours]
            assert unit.deliveries.some([]) == []
            assert unit.deliveries.arrive(asked) == {each.id for each in ours}
        with store.begin(one) as unit:
            assert unit.deliveries.get(theirs[0].id).state == "queued"

    def test_arriving_moves_what_evidence_moves(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            made = deliver(unit, *(f"{state}@example.com" for state in STATES))
            message_id = made[0].message_id
        for state, delivery in zip(STATES, made, strict=True):
            with store.begin(tenant) as unit:
                if state != "queued":
                    put(unit, delivery, state)
        with store.begin(tenant) as unit:
            moved = unit.deliveries.arrive([each.id for each in made])
        with store.begin(tenant) as unit:
            for was, delivery in zip(STATES, made, strict=True):
                row = unit.deliveries.get(delivery.id)
                wanted = evidence(was, "delivered")
                assert row.state == wanted
                assert (delivery.id in moved) is (was != wanted)
                assert row.sent_at is not None or delivery.id not in moved
            assert unit.deliveries.recount(message_id) == unit.deliveries.totals(message_id)
            assert unit.deliveries.arrive([each.id for each in made]) == set()

    def test_arriving_waits_for_nobody(self, store: Store[Any]) -> None:
        """Whoever holds a delivery is passed over, or, where a store has one writer, has ended before."""
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            held, free = deliver(unit, "a@example.com", "b@example.com")
        locked, over = threading.Event(), threading.Event()

        def hold() -> None:
            with store.begin(tenant) as unit:
                unit.deliveries.lock(held.id)
                locked.set()
                over.wait(0.2)

        other = threading.Thread(target=hold)
        other.start()
        try:
            assert locked.wait(30)
            with store.begin(tenant) as unit:
                moved = unit.deliveries.arrive([held.id, free.id])
                over.set()
        finally:
            over.set()
            other.join()
        assert free.id in moved
        with store.begin(tenant) as unit:
            assert unit.deliveries.get(held.id).state == ("delivered" if held.id in moved else "queued")

    def test_hits_are_kept_as_a_set_and_once(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b = deliver(unit, "a@example.com", "b@example.com")
            hits = [
                event(a, "clicked", "1", url="https://x.example/é", user_agent="ua", at=NOON),
                event(a, "clicked", "2", machine=True), event(b, "opened", "3"), event(b, "opened", "4"),
            ]  # fmt: skip
            unit.events.append(hits)
            unit.events.append([])
        with store.begin(tenant) as unit:
            unit.events.append([*hits, event(b, "opened", "5")], again=True)
            kept = list(reversed(unit.events.list(message_id=a.message_id)))
            assert [each.event_key for each in kept] == ["1", "2", "3", "4", "5"]
            assert msgspec.structs.replace(kept[0], id=0) == hits[0]
            assert len({each.id for each in kept}) == 5

    def test_a_tally_counts_all_humans_and_people(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b, c = deliver(unit, "a@example.com", "b@example.com", "c@example.com")
            (other,) = unit.deliveries.add(new_message(unit), ["a@example.com"])

            def opened(delivery: Delivery, key: str, *, machine: bool = False) -> Event:
                return event(delivery, "opened", key, machine=machine)

            unit.events.append(
                [
                    opened(a, "1"), opened(a, "2"), opened(a, "3", machine=True), opened(b, "4"),
                    opened(c, "5", machine=True), event(c, "clicked", "6"), opened(other, "7"),
                ]
            )  # fmt: skip
            assert unit.events.tally(a.message_id) == {"opened": Tally(5, 3, 2), "clicked": Tally(1, 1, 1)}
            assert unit.events.tally(other.message_id) == {"opened": Tally(1, 1, 1)}
            assert unit.events.tally(other.message_id + 1000) == {}
        with store.begin(add_tenant(store, "other")) as unit:
            assert unit.events.tally(a.message_id) == {}
