"""Whose turn it is, and that no item is claimed twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from courierx_core.ports.driver import utcnow
from courierx_core.ports.ledger import ItemMove, Ledger
from courierx_core.ports.store import Store
from courierx_core.testing.ledger_samples import WithLedger, add, claim, intend, outcome, stored
from courierx_core.testing.store_samples import add_tenant
from courierx_core.work import WorkItem


def served(ledger: Ledger, n: int, **choice: Any) -> list[int]:
    """Claim item by item; return whose they were."""
    return [item.tenant_id for _ in range(n) for item in claim(ledger, **choice)]


def plan(store: Store[Any], tenant: int, **fields: Any) -> WorkItem:
    values: dict[str, Any] = {"stream": "broadcast", "topic": "import", "subject_id": 7, **fields}
    with store.begin(tenant) as unit:
        return unit.work.add(WorkItem(tenant_id=tenant, **values))


class ClaimsContract(WithLedger):
    def test_a_claim_takes_one_tenants_items_oldest_first(self, store: Store[Any], ledger: Ledger) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        first, _ = add(store, one, "a")
        add(store, two, "a")
        second, _ = add(store, one, "a")
        assert [item.subject_id for item in claim(ledger, limit=1)] == [first.id]
        third, _ = add(store, one, "a")
        assert [item.tenant_id for item in claim(ledger, limit=10)] == [two]
        items = claim(ledger, limit=10)
        assert [item.subject_id for item in items] == [second.id, third.id]
        assert claim(ledger, limit=10) == []

    def test_a_claimed_item_is_leased_and_its_epoch_rises(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, ids = add(store, tenant, "a", "b")
        (item,) = claim(ledger, owner="me")
        assert (item.owner, item.state, item.epoch, item.tenant_id) == ("me", "leased", 1, tenant)
        assert (item.subject_id, item.lo, item.hi, item.cursor) == (message.id, ids[0], ids[1], ids[0] - 1)
        assert item == stored(store, item)
        assert item.lease_until is not None
        assert timedelta(minutes=9) < item.lease_until - utcnow() < timedelta(minutes=11)

    def test_topics_stream_and_subject_narrow_a_claim(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        first, _ = add(store, tenant, "a")
        second, _ = add(store, tenant, "a")
        planned = plan(store, tenant)
        assert claim(ledger, stream="transactional") == []
        assert claim(ledger, subject_id=second.id + 1000) == []
        assert [item.subject_id for item in claim(ledger, limit=9, subject_id=second.id)] == [second.id]
        (other,) = ledger.claim("w", limit=9, lease_seconds=60, topics=("import", "export"))
        assert other.id == planned.id
        mixed = plan(store, tenant)
        both = ledger.claim("w", limit=9, lease_seconds=60, topics=("send", "import"))
        assert [item.subject_id for item in both] == [first.id]  # one topic at a time
        assert ledger.claim("w", limit=9, lease_seconds=60, topics=("send", "import"))[0].id == mixed.id

    def test_what_is_not_due_is_left_and_asked_for_in_time(self, store: Store[Any], ledger: Ledger) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        topics: Any = ("import",)
        assert ledger.next_due(topics=topics) is None
        plan(store, tenant, due_at=utcnow() + timedelta(hours=2))
        plan(store, other, due_at=utcnow() + timedelta(hours=1), stream="transactional")
        plan(store, other, topic="export")
        assert ledger.claim("w", limit=9, lease_seconds=60, topics=topics) == []
        anywhere = ledger.next_due(topics=topics)
        broadcast = ledger.next_due(topics=topics, stream="broadcast")
        assert anywhere is not None
        assert broadcast is not None
        assert 3_500 < anywhere <= 3_600
        assert 7_100 < broadcast <= 7_200
        assert ledger.next_due(topics=("webhook",), stream="broadcast") is None
        assert ledger.next_due(topics=("export", "import"), stream="broadcast") == 0.0
        assert ledger.next_due(topics=("export",), stream="transactional") is None

    def test_transactional_mail_goes_first_and_tenants_take_turns(
        self, store: Store[Any], ledger: Ledger
    ) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        for _ in range(3):
            add(store, one, "a")
        for _ in range(2):
            add(store, two, "a")
        add(store, one, "a", stream="transactional")
        assert claim(ledger)[0].stream == "transactional"
        assert served(ledger, 6) == [two, one, two, one, one]

    def test_weight_is_a_share(self, store: Store[Any], ledger: Ledger) -> None:
        light, heavy = add_tenant(store, "light"), add_tenant(store, "heavy", weight=3)
        for _ in range(8):
            add(store, light, "a")
            add(store, heavy, "a")
        assert Counter(served(ledger, 8)) == {heavy: 6, light: 2}

    def test_a_large_claim_is_paid_for(self, store: Store[Any], ledger: Ledger) -> None:
        greedy, other = add_tenant(store, "greedy"), add_tenant(store, "other")
        for _ in range(8):
            add(store, greedy, "a")
            add(store, other, "a")
        assert len(claim(ledger, limit=4)) == 4
        assert served(ledger, 5).count(other) >= 4

    def test_a_share_is_of_deliveries_not_of_items(self, store: Store[Any], ledger: Ledger) -> None:
        """One tenant sends to ten people at a time, the other to one."""
        many, few = add_tenant(store, "many"), add_tenant(store, "few")
        names = [f"p{n}" for n in range(10)]
        for _ in range(4):
            add(store, many, *names)
        for _ in range(40):
            add(store, few, "a")
        given: Counter[int] = Counter()
        while min(given[many], given[few]) < 30:
            (item,) = claim(ledger)
            given[item.tenant_id] += item.hi - item.cursor
            assert abs(given[many] - given[few]) <= len(names)

    def test_what_is_sent_already_is_not_paid_for_again(self, store: Store[Any], ledger: Ledger) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        _, ids = add(store, one, *(f"p{n}" for n in range(9)))
        (item,) = claim(ledger)
        done = [outcome(item, each, "accepted") for each in ids[:8]]
        intend(ledger, item, ids[:8])
        back = ItemMove(item.id, item.epoch, ids[7], item.counts, "ready")
        ledger.window(one, [back], done)
        for _ in range(10):
            add(store, two, "a")
        assert served(ledger, 11) == [*(two for _ in range(9)), one, two]
        add(store, one, "a")
        add(store, two, "a")
        assert served(ledger, 2) == [one, two], "it paid for the one that was left, not for nine"

    def test_a_newcomer_and_one_back_from_idling_start_level(self, store: Store[Any], ledger: Ledger) -> None:
        old, back, new = (add_tenant(store, name) for name in ("old", "back", "new"))
        add(store, back, "a")
        for _ in range(20):
            add(store, old, "a")
        assert Counter(served(ledger, 14)) == {old: 13, back: 1}
        for _ in range(4):
            add(store, back, "a")
            add(store, new, "a")
        assert Counter(served(ledger, 6)) == {old: 2, back: 2, new: 2}

    def test_many_who_claim_at_once_share_without_overlap(self, store: Store[Any], ledger: Ledger) -> None:
        tenants = [add_tenant(store, name) for name in ("one", "two", "three")]
        messages = {add(store, tenant, "a")[0].id for _ in range(20) for tenant in tenants}
        claimed: list[int] = []
        deadline = time.monotonic() + 60

        def work(name: str) -> None:
            mine = store.ledger()
            try:
                # another's lock may hide the last items for a moment, so ask the ledger what is left
                while mine.next_due(topics=("send",)) is not None and time.monotonic() < deadline:
                    claimed.extend(item.subject_id for item in claim(mine, owner=name, limit=3))
            finally:
                mine.close()

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert sorted(claimed) == sorted(messages)
