"""Snapshots, single messages, re-sends, cancels and reports, as every store must keep them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from courierx_core.audience.model import Audience, NewSubscriber
from courierx_core.errors import Conflict, NotFound
from courierx_core.messages.model import Message
from courierx_core.ports.driver import utcnow
from courierx_core.ports.ledger import ItemMove, Ledger, Outcome
from courierx_core.ports.store import SnapshotStep, Store, UnitOfWork
from courierx_core.suppression.model import PLATFORM_WIDE, Suppression
from courierx_core.testing.store_people import add_list, add_people
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import SEND_ITEM_MAX, WorkItem

EVERYBODY = Audience()


def snapshot_all(
    unit: UnitOfWork, message: Message, audience: Audience = EVERYBODY, limit: int = 2
) -> dict[str, int]:
    """Make all deliveries in chunks; return the sum of the steps' counts."""
    after, counts, more = 0, dict[str, int](), True
    while more:
        step = unit.deliveries.snapshot(message, audience, after=after, limit=limit)
        assert step.cursor >= after
        after, more = step.cursor, step.more
        for state, n in step.counts.items():
            counts[state] = counts.get(state, 0) + n
    return counts


def claim(ledger: Ledger, **choice: Any) -> list[WorkItem]:
    return ledger.claim("worker", limit=100, lease_seconds=60, topics=("send",), **choice)


def finish(ledger: Ledger, item: WorkItem, state: Any, **fields: Any) -> list[int]:
    """Give every delivery of an item the same outcome; return their ids."""
    ids = [each.id for each in ledger.read(item, after=item.cursor, limit=1000)]
    outcomes = [
        Outcome(each, item.id, item.subject_id, state, item.attempt, tries=1, **fields) for each in ids
    ]
    counts = {**item.counts}
    counts["queued"] = counts.get("queued", 0) - len(ids)
    counts[state] = counts.get(state, 0) + len(ids)
    done = ItemMove(item.id, item.epoch, ids[-1], counts, "done")
    assert ledger.window(item.tenant_id, [done], outcomes).held_on == {item.id}
    return ids


class DeliveriesContract:
    def test_a_snapshot_makes_one_row_for_everybody(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            active = add_people(unit, *(f"{n}@example.com" for n in range(5)))
            (left,) = add_people(unit, "left@example.com", status="unsubscribed")
            everyone = Audience(
                list_ids=(add_list(unit, "one", *active[:3]), add_list(unit, "two", *active, left))
            )
            unit.suppressions.add(Suppression(tenant_id=tenant, address="0@example.com", cause="complaint"))
            message = new_message(unit)
            counts = snapshot_all(unit, message, everyone)
            assert counts == {"queued": 4, "suppressed": 2}
            assert sum(counts.values()) == unit.subscribers.count(everyone)
            assert unit.deliveries.recount(message.id) == counts
            rows = {each.subscriber_id: each for each in unit.deliveries.list(message_id=message.id)}
            assert sorted(filter(None, rows)) == sorted([*active, left])
            assert (rows[active[0]].state, rows[active[0]].reason) == ("suppressed", "complaint")
            assert (rows[left].state, rows[left].reason) == ("suppressed", "unsubscribe")
            assert rows[active[1]].address == "1@example.com"

    def test_a_snapshot_without_lists_is_of_the_active(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b, c = add_people(unit, "a@example.com", "b@example.com", "c@example.com")
            add_people(unit, "d@example.com", status="bounced")
            skipped = add_list(unit, "skip", c)
            unit.suppressions.add(Suppression(tenant_id=tenant, address="b@example.com"))
            audience = Audience(exclude_list_ids=(skipped,))
            message = new_message(unit)
            counts = snapshot_all(unit, message, audience, limit=1)
            assert counts == {"queued": 1, "suppressed": 1}
            assert unit.subscribers.count(audience) == 2
            assert {each.subscriber_id for each in unit.deliveries.list()} == {a, b}

    @pytest.mark.parametrize(
        ("stream", "cause", "owner", "age", "state"),
        [
            ("broadcast", "unsubscribe", "tenant", 0, "suppressed"),
            ("transactional", "unsubscribe", "tenant", 0, "queued"),
            ("transactional", "hard_bounce", "tenant", 0, "suppressed"),
            ("broadcast", "manual", "platform", 0, "suppressed"),
            ("transactional", "complaint", "platform", 0, "suppressed"),
            ("broadcast", "manual", "other", 0, "queued"),
            ("broadcast", "manual", "tenant", 1, "queued"),
        ],
    )
    def test_suppressions_close_rows(
        self, store: Store[Any], stream: Any, cause: Any, owner: str, age: int, state: str
    ) -> None:
        tenant, other = add_tenant(store, "one"), add_tenant(store, "two")
        owners = {"tenant": tenant, "other": other, "platform": PLATFORM_WIDE}
        expires = utcnow() - timedelta(days=1) if age else utcnow() + timedelta(days=1)
        with store.begin(owners[owner]) as unit:
            unit.suppressions.add(
                Suppression(tenant_id=owners[owner], address="a@example.com", cause=cause, expires_at=expires)
            )
        with store.begin(tenant) as unit:
            add_people(unit, "a@example.com")
            message = new_message(unit, stream=stream)
            assert snapshot_all(unit, message) == {state: 1}
            added = unit.deliveries.add(new_message(unit, stream=stream), ["a@example.com"])
            assert [each.state for each in added] == [state]
            assert [each.reason for each in added] == ["" if state == "queued" else cause]

    @pytest.mark.parametrize("owner", ["tenant", "platform", "other"])
    def test_a_suppressed_domain_closes_rows(self, store: Store[Any], owner: str) -> None:
        tenant, other = add_tenant(store, "one"), add_tenant(store, "two")
        whose = {"tenant": tenant, "other": other, "platform": PLATFORM_WIDE}[owner]
        with store.begin(whose) as unit:
            unit.suppressions.add(Suppression(tenant_id=whose, address="@closed.example", cause="complaint"))
        addresses = ["a@closed.example", "b@open.example", "c@sub.closed.example"]
        state = "queued" if owner == "other" else "suppressed"
        reason = "" if owner == "other" else "complaint"
        with store.begin(tenant) as unit:
            add_people(unit, *addresses)
            message = new_message(unit)
            snapshot_all(unit, message)
            made = {each.address: each for each in unit.deliveries.list(message_id=message.id)}
            assert [made[each].state for each in addresses] == [state, "queued", "queued"]
            assert made["a@closed.example"].reason == reason
            added = unit.deliveries.add(new_message(unit), addresses)
            assert [(each.state, each.reason) for each in added[:2]] == [(state, reason), ("queued", "")]

    def test_a_repeated_snapshot_makes_nothing_twice(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            add_people(unit, *(f"{n}@example.com" for n in range(3)))
            message = new_message(unit)
            assert snapshot_all(unit, message, limit=2) == {"queued": 3}
            items = unit.work.open_items(message.id)
            assert unit.deliveries.snapshot(message, Audience(), after=0, limit=2) == SnapshotStep(
                unit.subscribers.list()[1].id, True, {}
            )
            add_people(unit, "late@example.com")
            assert snapshot_all(unit, message, limit=100) == {"queued": 1}
            assert unit.deliveries.recount(message.id) == {"queued": 4}
            assert unit.work.open_items(message.id) == items + 1

    def test_a_snapshot_of_nobody_is_an_empty_step(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            assert unit.deliveries.snapshot(message, Audience(), after=5, limit=10) == SnapshotStep(
                5, False, {}
            )
            assert unit.work.open_items(message.id) == 0
            for limit in (0, 50_001):
                with pytest.raises(ValueError, match="50,000"):
                    unit.deliveries.snapshot(message, Audience(), after=0, limit=limit)

    def test_send_items_cover_what_is_queued_500_at_most(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        total = 2 * SEND_ITEM_MAX + 7
        with store.begin(tenant) as unit:
            unit.subscribers.import_rows([NewSubscriber(f"{n}@example.com") for n in range(total)])
            unit.suppressions.add(Suppression(tenant_id=tenant, address="3@example.com"))
            message = new_message(unit)
            snapshot_all(unit, message, limit=50_000)
        ledger = store.ledger()
        try:
            items = claim(ledger)
            seen: list[int] = []
            for item in items:
                assert item.ids is None
                assert (item.topic, item.subject_id, item.attempt, item.cursor) == (
                    "send",
                    message.id,
                    1,
                    item.lo - 1,
                )
                assert item.counts == {}
                ids = [each.id for each in ledger.read(item, after=item.cursor, limit=1000)]
                assert 1 <= len(ids) <= SEND_ITEM_MAX
                assert item.lo <= ids[0] <= ids[-1] <= item.hi
                seen += ids
        finally:
            ledger.close()
        assert len(seen) == len(set(seen)) == total - 1

    def test_named_addresses_get_deliveries_and_one_item(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            (person,) = add_people(unit, "p@example.com", first_name="Pat", attributes={"x": 1})
            unit.suppressions.add(Suppression(tenant_id=tenant, address="b@example.com"))
            message = new_message(unit, stream="transactional")
            made = unit.deliveries.add(
                message,
                ["a@example.com", "b@example.com", "p@example.com"],
                subscriber_ids=[None, None, person],
            )
            assert [each.state for each in made] == ["queued", "suppressed", "queued"]
            assert unit.deliveries.totals(message.id) == {"queued": 2, "suppressed": 1}
            assert unit.deliveries.add(message, []) == []
            with pytest.raises(Conflict):
                unit.deliveries.add(message, ["p@example.com"], subscriber_ids=[person])
            assert unit.deliveries.recount(message.id) == {"queued": 2, "suppressed": 1}
        ledger = store.ledger()
        try:
            (item,) = claim(ledger, stream="transactional")
            to = ledger.read(item, after=item.cursor, limit=10)
            assert [(each.id, each.address) for each in to] == [
                (made[0].id, "a@example.com"),
                (made[2].id, "p@example.com"),
            ]
            assert (to[1].first_name, to[1].attributes) == ("Pat", {"x": 1})
            finish(ledger, item, "accepted")
        finally:
            ledger.close()
        with store.begin(tenant) as unit:
            assert unit.deliveries.totals(message.id) == {"accepted": 2, "suppressed": 1}

    def test_the_work_of_a_scheduled_message_is_due_at_its_time(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit, scheduled_at=utcnow() + timedelta(hours=1))
            unit.deliveries.add(message, ["a@example.com"])
        ledger = store.ledger()
        try:
            assert claim(ledger) == []
            due = ledger.next_due(topics=("send",))
            assert due is not None
            assert 3500 < due <= 3600
        finally:
            ledger.close()

    def test_only_suppressed_addresses_make_no_item(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            unit.suppressions.add(Suppression(tenant_id=tenant, address="b@example.com"))
            message = new_message(unit)
            unit.deliveries.add(message, ["b@example.com"])
            assert unit.work.open_items(message.id) == 0
            assert unit.deliveries.totals(message.id) == {"suppressed": 1}
            assert unit.messages.complete(message.id)

    def test_a_message_completes_once_when_nothing_is_open(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            unit.deliveries.add(message, ["a@example.com"])
            assert not unit.messages.complete(message.id)
        ledger = store.ledger()
        try:
            (item,) = claim(ledger)
            with store.begin(tenant) as unit:
                assert not unit.messages.complete(message.id)
            finish(ledger, item, "accepted")
        finally:
            ledger.close()
        with store.begin(tenant) as unit:
            assert unit.messages.complete(message.id)
            assert not unit.messages.complete(message.id)
            assert unit.messages.get(message.id).completed_at is not None

    def test_deliveries_are_listed_by_what_is_asked(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            unit.suppressions.add(Suppression(tenant_id=tenant, address="b@example.com"))
            one, two = new_message(unit), new_message(unit)
            a, b = unit.deliveries.add(one, ["a@example.com", "b@example.com"])
            (c,) = unit.deliveries.add(two, ["a@example.com"])
            listed = unit.deliveries.list
            assert listed() == [c, b, a]
            assert listed(message_id=one.id) == [b, a]
            assert listed(state="suppressed") == [b]
            assert listed(address="a@example.com", before=c.id) == [a]
            assert listed(limit=1) == [c]
            assert listed(since=utcnow() - timedelta(hours=1)) == [c, b, a]
            assert listed(since=utcnow() + timedelta(hours=1)) == []

    def test_reasons_are_grouped_commonest_first(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            for n in range(4):
                unit.deliveries.add(message, [f"{n}@example.com"])
        ledger = store.ledger()
        try:
            one, two, three, four = claim(ledger)
            finish(ledger, one, "accepted", reply="250 ok")
            finish(ledger, two, "bounced", status="5.1.1", reason="no such user", reply="550 unknown")
            finish(ledger, three, "bounced", status="5.1.1", reason="no such user", reply="550 unknown")
            finish(ledger, four, "failed", reason="expired")
        finally:
            ledger.close()
        with store.begin(tenant) as unit:
            first, second = unit.deliveries.reasons(message.id)
            assert (first.state, first.status, first.reason, first.count, first.example) == (
                "bounced", "5.1.1", "no such user", 2, "550 unknown",
            )  # fmt: skip
            assert (second.state, second.reason, second.count) == ("failed", "expired", 1)
            assert unit.deliveries.reasons(message.id, limit=1) == [first]

    def test_exactly_the_chosen_are_queued_again(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            for state in ("uncertain", "failed", "accepted", "uncertain"):
                unit.deliveries.add(message, [f"{state}@example.com"])
        ledger = store.ledger()
        try:
            ids = [
                finish(ledger, item, state, reply="x")[0]
                for item, state in zip(
                    claim(ledger), ("uncertain", "failed", "accepted", "uncertain"), strict=True
                )
            ]
            with store.begin(tenant) as unit:
                assert unit.messages.complete(message.id)
                assert not unit.messages.reopen(message.id)
                assert unit.deliveries.requeue(message.id, [*ids[:3], ids[2] + 1000]) == ids[:2]
                assert unit.messages.reopen(message.id)
                assert not unit.messages.reopen(message.id)
                assert unit.messages.get(message.id).completed_at is None
                assert unit.deliveries.requeue(message.id, ids[:3]) == []
                totals = unit.deliveries.totals(message.id)
                assert totals == unit.deliveries.recount(message.id)
                assert totals == {"queued": 2, "accepted": 1, "uncertain": 1}
                assert not unit.messages.complete(message.id)
                again = unit.deliveries.get(ids[0])
                assert (again.state, again.tries, again.reply) == ("queued", 0, "")
                with pytest.raises(NotFound):
                    unit.deliveries.requeue(message.id + 1000, ids)
            (item,) = claim(ledger)
            assert item.ids == tuple(ids[:2])
            assert finish(ledger, item, "accepted") == ids[:2]
        finally:
            ledger.close()
        with store.begin(tenant) as unit:
            assert unit.deliveries.totals(message.id) == {"accepted": 3, "uncertain": 1}
            assert unit.messages.complete(message.id)

    def test_a_cancel_closes_what_is_not_under_way(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            add_people(unit, *(f"{n}@example.com" for n in range(5)))
            message = new_message(unit)
            first = snapshot_all(unit, message, limit=3)
            unit.work.add(
                WorkItem(
                    tenant_id=tenant,
                    stream="broadcast",
                    topic="snapshot",
                    subject_id=message.id,
                    counts=first,
                    state="done",
                )
            )
        ledger = store.ledger()
        try:
            (item, _) = claim(ledger, subject_id=message.id)
            one, two, three = (each.id for each in ledger.read(item, after=item.cursor, limit=10))
            move = ItemMove(item.id, item.epoch, two, {})
            assert ledger.window(tenant, [move], (), [one, two]).held_on == {item.id}
            with store.begin(tenant) as unit:
                assert unit.work.hold(message.id) == 2
                assert unit.deliveries.cancel_open(message.id) == 3
                assert unit.deliveries.cancel_open(message.id) == 0
                assert unit.deliveries.recount(message.id) == {"queued": 2, "cancelled": 3}
                assert unit.deliveries.get(three).state == "cancelled"
                assert unit.work.open_items(message.id) == 1
                assert not unit.messages.complete(message.id)
            outcomes = [Outcome(each, item.id, message.id, "accepted", 1, tries=1) for each in (one, two)]
            left = ItemMove(item.id, item.epoch, two, {"queued": -2, "accepted": 2}, "done")
            assert ledger.window(tenant, [left], outcomes).held_on == frozenset()
        finally:
            ledger.close()
        with store.begin(tenant) as unit:
            assert unit.deliveries.totals(message.id) == {"accepted": 2, "cancelled": 3}
            assert unit.deliveries.cancel_open(message.id) == 0
            assert unit.messages.complete(message.id)
