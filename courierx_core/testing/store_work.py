"""Work items between the ledger's claims, as every store must keep them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from courierx_core.errors import Fenced, NotFound
from courierx_core.ports.driver import utcnow
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import Standing, WorkItem


def an_item(tenant: int, **fields: Any) -> WorkItem:
    values: dict[str, Any] = {"stream": "broadcast", "topic": "snapshot", "subject_id": 7, **fields}
    return WorkItem(tenant_id=tenant, **values)


class WorkContract:
    def test_an_item_is_kept_whole(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        due = utcnow().replace(microsecond=0) + timedelta(hours=1)
        with store.begin(tenant) as unit:
            plain = unit.work.add(an_item(tenant))
            assert unit.work.get(plain.id) == plain
            assert (plain.state, plain.ids, plain.lease_until, plain.epoch) == ("ready", None, None, 0)
            assert plain.due_at is not None
            assert abs(plain.due_at - utcnow()) < timedelta(minutes=5)
            full = unit.work.add(
                an_item(
                    tenant,
                    topic="send",
                    lo=3,
                    hi=9,
                    ids=(3, 9),
                    attempt=2,
                    cursor=2,
                    counts={"a": 1},
                    due_at=due,
                )
            )
            assert unit.work.get(full.id) == full
            assert (full.ids, full.due_at, full.counts) == ((3, 9), due, {"a": 1})
            with pytest.raises(NotFound):
                unit.work.get(full.id + 1000)

    def test_progress_is_saved_only_under_the_lease(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            made = unit.work.add(an_item(tenant))
            with pytest.raises(Fenced):
                unit.work.advance(made, cursor=1)
        ledger = store.ledger()
        try:
            (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",))
            with store.begin(tenant) as unit:
                unit.work.advance(item, cursor=5, counts={"queued": 5}, error="slow")
                saved = unit.work.get(item.id)
                assert (saved.state, saved.owner, saved.cursor, saved.counts, saved.error) == (
                    "leased", "w", 5, {"queued": 5}, "slow",
                )  # fmt: skip
                unit.work.advance(item, cursor=6)
                assert unit.work.get(item.id).counts == {"queued": 5}
                unit.work.advance(item, cursor=7, delay_seconds=3600)
                with pytest.raises(Fenced):
                    unit.work.advance(item, cursor=8)
                back = unit.work.get(item.id)
                assert (back.state, back.owner, back.lease_until) == ("ready", "", None)
                assert back.due_at is not None
                assert back.due_at > utcnow() + timedelta(minutes=50)
            assert ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",)) == []
            wait = ledger.next_due(topics=("snapshot",))
            assert wait is not None
            assert 3000 < wait <= 3600
        finally:
            ledger.close()

    def test_a_done_item_is_open_no_more(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            unit.work.add(an_item(tenant))
            assert unit.work.open_items(7) == 1
            assert unit.work.open_items(7, topics=("send",)) == 0
            assert unit.work.open_items(8) == 0
        ledger = store.ledger()
        try:
            (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",))
        finally:
            ledger.close()
        with store.begin(tenant) as unit:
            unit.work.advance(item, cursor=9, done=True)
            done = unit.work.get(item.id)
            assert (done.state, done.owner, done.lease_until) == ("done", "", None)
            assert unit.work.open_items(7) == unit.work.hold(7) == 0

    def test_where_open_items_stand(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        soon, later = (utcnow().replace(microsecond=0) + timedelta(hours=each) for each in (1, 2))
        with store.begin(tenant) as unit:
            assert unit.work.standing(7, stale_seconds=30) == Standing()
            unit.work.add(an_item(tenant))
            unit.work.add(an_item(tenant, topic="send"))
            second = unit.work.add(an_item(tenant, topic="send", due_at=later))
            first = unit.work.add(an_item(tenant, topic="send", due_at=soon))
            unit.work.add(an_item(tenant, topic="schedule", due_at=soon))
        ledger = store.ledger()
        try:
            (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",), subject_id=7)
        finally:
            ledger.close()
        with store.begin(tenant) as unit:
            assert unit.work.standing(7, stale_seconds=30) == Standing(moving=2, later=(first, second))
            stale = unit.work.standing(7, stale_seconds=90, limit=1)
            assert stale == Standing(moving=2, stale=1, stale_until=item.lease_until, later=(first,))
            unit.work.hold(7)
            assert unit.work.standing(7, stale_seconds=90) == Standing()

    def test_what_is_ended_is_claimed_and_advanced_no_more(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            for _ in range(3):
                unit.work.add(an_item(tenant, topic="schedule"))
            other = unit.work.add(an_item(tenant, topic="schedule", subject_id=8))
        ledger = store.ledger()
        try:
            (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("schedule",), subject_id=7)
            with store.begin(tenant) as unit:
                assert unit.work.end(7, topics=("snapshot",)) == []
                assert {each.state for each in unit.work.end(7, topics=("schedule",))} == {"done"}
                assert unit.work.end(7, topics=("schedule",)) == []
                assert unit.work.open_items(7, topics=("schedule",)) == 0
                ended = unit.work.get(item.id)
                assert (ended.state, ended.owner, ended.lease_until) == ("done", "", None)
                with pytest.raises(Fenced):
                    unit.work.advance(item, cursor=1)
            claimed = ledger.claim("w", limit=9, lease_seconds=60, topics=("schedule",))
            assert [each.id for each in claimed] == [other.id]
        finally:
            ledger.close()

    def test_a_hold_stops_claims_and_fences_the_owner(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            unit.work.add(an_item(tenant))
            unit.work.add(an_item(tenant, topic="send"))
            unit.work.add(an_item(tenant, subject_id=8))
        ledger = store.ledger()
        try:
            (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",), subject_id=7)
            with store.begin(tenant) as unit:
                assert unit.work.hold(7) == 2
                assert unit.work.hold(7) == 0
                with pytest.raises(Fenced):
                    unit.work.advance(item, cursor=1)
                held = unit.work.get(item.id)
                assert (held.state, held.owner, held.epoch) == ("held", "w", item.epoch)
            assert (
                ledger.claim("x", limit=9, lease_seconds=60, topics=("snapshot", "send"), subject_id=7) == []
            )
            with store.begin(tenant) as unit:
                assert unit.work.unhold(7, topics=("send",)) == 1
                assert unit.work.unhold(7) == 1
                assert unit.work.get(item.id).state == "leased"
                unit.work.advance(item, cursor=1)
            assert len(ledger.claim("x", limit=9, lease_seconds=60, topics=("send",), subject_id=7)) == 1
        finally:
            ledger.close()

    def test_a_hold_of_everything_says_why_until_it_is_let_go(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        past, later = (utcnow().replace(microsecond=0) + timedelta(hours=each) for each in (-1, 1))
        with store.begin(tenant) as unit:
            due = unit.work.add(an_item(tenant, due_at=past))
            future = unit.work.add(an_item(tenant, topic="schedule", subject_id=8, due_at=later))
            spared = unit.work.add(an_item(tenant, topic="import"))
            unit.work.add(an_item(tenant, subject_id=9))
            unit.work.hold(9)
            assert unit.work.hold_all("why", topics=("snapshot", "schedule")) == 2
            assert unit.work.hold_all("why", topics=("snapshot", "schedule")) == 0
            assert unit.work.get(spared.id).state == "ready"
            assert sorted(unit.work.held_for("why")) == [("schedule", 8), ("snapshot", 7)]
            unit.work.unhold(7)
            unit.work.unhold(8, topics=("schedule",))
            assert unit.work.held_for("why") == []
            back = unit.work.get(due.id)
            assert (back.state, back.error) == ("ready", "")
            assert back.due_at is not None
            assert back.due_at > past, "what is overdue is due from now on"
            assert unit.work.get(future.id).due_at == later

    def test_a_message_that_nobody_sees_to_is_left_over(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            ready, paused, done, completed, cancelled = (new_message(unit) for _ in range(5))
            for message in (ready, paused, cancelled):
                unit.deliveries.add(message, ["a@example.com"])
            for message in (paused, cancelled):
                unit.work.hold(message.id)
            assert unit.messages.complete(completed.id)
            unit.messages.note_cancelled(cancelled.id)
            assert unit.messages.left_over() == [done.id, cancelled.id]
            assert unit.messages.left_over(limit=1) == [done.id]
        with store.begin(add_tenant(store, "other")) as unit:
            assert unit.messages.left_over() == []
