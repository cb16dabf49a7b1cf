"""Leases: renewed, given back, held, and swept when their worker is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from courierx_core.ports.driver import utcnow
from courierx_core.ports.ledger import ItemMove, Ledger
from courierx_core.ports.store import Store
from courierx_core.testing.ledger_claims import plan
from courierx_core.testing.ledger_samples import (
    EXPIRED,
    WithLedger,
    add,
    claim,
    counted,
    intend,
    move,
    outcome,
    pause,
    resume,
    stored,
)
from courierx_core.testing.store_samples import add_tenant


class LeasesContract(WithLedger):
    def test_only_live_leases_are_renewed(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        for _ in range(4):
            message, _ = add(store, tenant, "a")
        (live,) = claim(ledger, lease=60)
        claim(ledger, lease=EXPIRED)
        claim(ledger, owner="other")
        (held,) = claim(ledger)
        pause(store, message)
        assert ledger.renew("w", lease_seconds=6_000) == {live.id}
        assert ledger.renew("nobody", lease_seconds=600) == frozenset()
        assert stored(store, held).owner == "w"
        renewed = stored(store, live).lease_until
        assert renewed is not None
        assert renewed > utcnow() + timedelta(minutes=90)

    def test_an_item_is_given_back_with_its_place(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b) = add(store, tenant, "a", "b")
        (item,) = claim(ledger)
        intend(ledger, item, [a])
        outcomes = [outcome(item, a, "accepted")]
        answer = ledger.window(tenant, [move(item, a, outcomes, "ready")], outcomes)
        assert answer.held_on == {item.id}
        back = stored(store, item)
        assert (back.state, back.owner, back.lease_until, back.cursor) == ("ready", "", None, a)
        assert counted(store, tenant, message) == {"accepted": 1, "queued": 1}
        (again,) = claim(ledger, owner="other")
        assert (again.id, again.epoch) == (item.id, 2)
        assert [row.id for row in ledger.read(again, after=again.cursor, limit=9)] == [b]

    def test_an_item_given_back_for_later_is_due_then(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        add(store, tenant, "a")
        (item,) = claim(ledger)
        back = move(item, item.cursor, (), "ready", delay_seconds=600.0)
        assert ledger.window(tenant, [back]).held_on == {item.id}
        assert claim(ledger) == []
        wait = ledger.next_due(topics=("send",))
        assert wait is not None
        assert 500 < wait <= 600

    @pytest.mark.parametrize("state", ["ready", "done"])
    def test_a_held_item_is_let_go_and_stays_held(
        self, store: Store[Any], ledger: Ledger, state: str
    ) -> None:
        tenant = add_tenant(store)
        message, (a,) = add(store, tenant, "a")
        (item,) = claim(ledger)
        intend(ledger, item, [a])
        assert pause(store, message) == 1
        outcomes = [outcome(item, a, "accepted")]
        # while it only sends what is under way, the owner keeps the lease
        assert ledger.window(tenant, [move(item, a)]).held_on == frozenset()
        assert stored(store, item).owner == "w"
        answer = ledger.window(tenant, [move(item, a, outcomes, state)], outcomes)
        assert answer.held_on == frozenset()
        held = stored(store, item)
        assert (held.state, held.owner, held.lease_until, held.epoch) == ("held", "", None, item.epoch)
        assert counted(store, tenant, message) == {"accepted": 1}
        assert claim(ledger) == []
        assert resume(store, message) == 1
        assert [each.epoch for each in claim(ledger)] == [item.epoch + 1]

    def test_another_epoch_lets_nothing_go(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a,) = add(store, tenant, "a")
        claim(ledger, lease=EXPIRED)
        ledger.sweep()
        (item,) = claim(ledger, owner="heir")
        pause(store, message)
        for state in ("ready", "done", "leased"):
            old = ItemMove(item.id, 1, a, {}, state)
            assert ledger.window(tenant, [old]).held_on == frozenset()
        assert stored(store, item).owner == "heir"

    def test_what_a_dead_worker_had_under_way_is_uncertain(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b, c) = add(store, tenant, "a", "b", "c")
        (item,) = claim(ledger, lease=EXPIRED)
        intend(ledger, item, [a, b])
        outcomes = [outcome(item, a, "accepted")]
        ledger.window(tenant, [move(item, b, outcomes)], outcomes)
        (swept,) = ledger.sweep()
        assert (swept.item_id, swept.tenant_id, swept.topic) == (item.id, tenant, "send")
        assert (swept.subject_id, swept.stream, swept.uncertain) == (message.id, "broadcast", 1)
        assert ledger.sweep() == []
        assert counted(store, tenant, message) == {"accepted": 1, "uncertain": 1, "queued": 1}
        with store.begin(tenant) as unit:
            lost = unit.deliveries.get(b)
            assert (lost.reason, lost.attempt) == ("lease_expired", 1)
        (again,) = claim(ledger)
        assert (again.id, again.epoch, again.cursor) == (item.id, 3, b)
        assert [row.id for row in ledger.read(again, after=0, limit=9)] == [c]

    def test_a_list_is_swept_as_a_range_is(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, ids = add(store, tenant, "a", "b", "c", "d")
        (item,) = claim(ledger)
        outcomes = [outcome(item, each, "uncertain") for each in ids]
        ledger.window(tenant, [move(item, ids[-1], outcomes, "done")], outcomes)
        with store.begin(tenant) as unit:
            unit.deliveries.requeue(message.id, [ids[0], ids[2], ids[3]])
        (listed,) = claim(ledger, lease=EXPIRED)
        assert listed.ids == (ids[0], ids[2], ids[3])
        intend(ledger, listed, [ids[0], ids[2]])
        (swept,) = ledger.sweep()
        assert swept.uncertain == 2
        assert counted(store, tenant, message) == {"uncertain": 3, "queued": 1}
        (again,) = claim(ledger)
        assert [row.id for row in ledger.read(again, after=0, limit=9)] == [ids[3]]

    def test_a_sweep_takes_what_has_expired_and_no_more(self, store: Store[Any], ledger: Ledger) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        for each in (tenant, other, tenant):
            add(store, each, "a")
        expired = {claim(ledger, lease=EXPIRED)[0].id for _ in range(2)}
        (live,) = claim(ledger)
        first = ledger.sweep(limit=1)
        assert {each.item_id for each in (*first, *ledger.sweep())} == expired
        assert len(first) == 1
        assert stored(store, live) == live

    def test_an_exhausted_item_is_done_and_a_held_one_stays_held(
        self, store: Store[Any], ledger: Ledger
    ) -> None:
        tenant = add_tenant(store)
        one, (a,) = add(store, tenant, "a")
        two, _ = add(store, tenant, "b")
        first, second = claim(ledger, limit=2, lease=EXPIRED)
        intend(ledger, first, [a])
        pause(store, two)
        assert {each.item_id for each in ledger.sweep()} == {first.id, second.id}
        assert stored(store, first).state == "done"
        held = stored(store, second)
        assert (held.state, held.owner, held.lease_until, held.epoch) == ("held", "", None, 2)
        assert resume(store, two) == 1
        assert stored(store, second).state == "ready"
        with store.begin(tenant) as unit:
            assert unit.messages.complete(one.id)

    def test_other_work_keeps_its_progress_through_a_sweep(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        plan(store, tenant, cursor=0)
        (item,) = ledger.claim("w", limit=1, lease_seconds=EXPIRED, topics=("import",))
        with store.begin(tenant) as unit:
            unit.work.advance(item, cursor=4_096, counts={"imported": 7})
        (swept,) = ledger.sweep()
        assert (swept.topic, swept.uncertain) == ("import", 0)
        (again,) = ledger.claim("x", limit=1, lease_seconds=60, topics=("import",))
        assert (again.cursor, again.counts, again.epoch) == (4_096, {"imported": 7}, 3)
