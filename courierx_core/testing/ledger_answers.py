"""Answers: recorded once however often and however late they come, and queued again at most once."""

from __future__ import annotations

from typing import Any

from courierx_core.ports.ledger import FollowUp, Ledger, Outcome
from courierx_core.ports.store import Store
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


def evidence(ledger: Ledger, tenant: int, message_id: int, delivery_id: int) -> None:
    """Report a delivery as accepted, of an attempt that nobody remembers."""
    ledger.window(tenant, [], [Outcome(delivery_id, 0, message_id, "accepted", 0)])


class AnswersContract(WithLedger):
    def test_an_answer_is_kept_on_its_delivery(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, ids = add(store, tenant, "a", "b", "c", "d")
        (item,) = claim(ledger)
        outcomes = [
            outcome(
                item, ids[0], "accepted", reply="250 ok", provider_id="p-1", status="2.0.0", transport="eu"
            ),
            outcome(item, ids[1], "bounced", reply="550 no", status="5.1.1", reason="unknown"),
            outcome(item, ids[2], "blocked", tries=0, reason="a plugin said no"),
            outcome(item, ids[3], "queued", tries=0),
        ]
        ledger.window(tenant, [move(item, ids[-1], outcomes, "done")], outcomes)
        with store.begin(tenant) as unit:
            accepted, bounced, blocked, back = (unit.deliveries.get(each) for each in ids)
        assert (accepted.state, accepted.reply, accepted.provider_id) == ("accepted", "250 ok", "p-1")
        assert (accepted.transport, bounced.transport) == ("eu", "")
        assert (accepted.status, accepted.tries, accepted.attempt) == ("2.0.0", 1, 1)
        assert accepted.sent_at is not None
        assert (bounced.state, bounced.status, bounced.reason) == ("bounced", "5.1.1", "unknown")
        assert (bounced.reply, bounced.sent_at) == ("550 no", None)
        assert (blocked.state, blocked.tries, blocked.reason) == ("blocked", 0, "a plugin said no")
        assert (back.state, back.tries, back.attempt) == ("queued", 0, 1)
        assert counted(store, tenant, message) == {"accepted": 1, "bounced": 1, "blocked": 1, "queued": 1}

    def test_the_far_sides_words_are_kept_whatever_they_are(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        said = ["250 ok", "250 ok", '250 "a" \\ {b}', "250 two\nlines \t \x01", "250 grüße 📨", ""]
        _, ids = add(store, tenant, *"abcdef")
        (item,) = claim(ledger)
        outcomes = [outcome(item, id_, "accepted", reply=text) for id_, text in zip(ids, said, strict=True)]
        ledger.window(tenant, [move(item, ids[-1], outcomes, "done")], outcomes)
        with store.begin(tenant) as unit:
            assert [unit.deliveries.get(id_).reply for id_ in ids] == said

    def test_a_retry_is_a_new_item_of_the_next_attempt(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b, c) = add(store, tenant, "a", "b", "c")
        (item,) = claim(ledger)
        outcomes = [outcome(item, a, "deferred"), outcome(item, b, "accepted"), outcome(item, c, "deferred")]
        retry = FollowUp(message.id, "broadcast", (a, c), 2, 0.0)
        ledger.window(tenant, [move(item, c, outcomes, "done")], outcomes, (), [retry])
        (again,) = claim(ledger)
        assert (again.ids, again.attempt, again.subject_id, again.stream) == (
            (a, c), 2, message.id, "broadcast",
        )  # fmt: skip
        rows = ledger.read(again, after=again.cursor, limit=9)
        assert [(row.id, row.state, row.tries) for row in rows] == [(a, "deferred", 1), (c, "deferred", 1)]
        assert [row.id for row in ledger.read(again, after=a, limit=9)] == [c]
        told = [outcome(again, each, "accepted", before="deferred") for each in (a, c)]
        ledger.window(tenant, [move(again, c, told, "done")], told)
        assert counted(store, tenant, message) == {"accepted": 3}

    def test_only_what_was_applied_is_tried_again(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b, c) = add(store, tenant, "a", "b", "c")
        (item,) = claim(ledger)
        intend(ledger, item, [a, b, c])
        evidence(ledger, tenant, message.id, b)
        outcomes = [outcome(item, each, "deferred") for each in (a, b)]
        retries = [
            FollowUp(message.id, "broadcast", (a, b, c), 2, 0.0),
            FollowUp(message.id, "broadcast", (b, c), 2, 0.0),
        ]
        ledger.window(tenant, [move(item, c, outcomes)], outcomes, (), retries)
        assert counted(store, tenant, message) == {"deferred": 1, "accepted": 1, "queued": 1}
        assert [each.ids for each in claim(ledger, limit=9)] == [(a,)]

    def test_retries_wait_their_time_and_a_pause_holds_them(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b) = add(store, tenant, "a", "b")
        (item,) = claim(ledger)
        intend(ledger, item, [a, b])
        first, second = [outcome(item, a, "deferred")], [outcome(item, b, "deferred")]
        ledger.window(
            tenant, [move(item, b, first)], first, (), [FollowUp(message.id, "broadcast", (a,), 2, 600)]
        )
        wait = ledger.next_due(topics=("send",))
        assert wait is not None
        assert 500 < wait <= 600
        pause(store, message)
        left = move(item, b, first + second, "done")
        retries = [FollowUp(message.id, "broadcast", (b,), 2, 0.0)]
        assert ledger.window(tenant, [left], second, (), retries).held_on == frozenset()
        assert ledger.next_due(topics=("send",)) is None
        assert claim(ledger) == []
        assert counted(store, tenant, message) == {"deferred": 2}
        assert resume(store, message) == 3

    def test_what_was_refused_is_told_by_an_item_of_its_own(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b, c, d) = add(store, tenant, "a", "b", "c", "d")
        (item,) = claim(ledger)
        intend(ledger, item, [a, b, c, d])
        evidence(ledger, tenant, message.id, b)
        pause(store, message)
        outcomes = [outcome(item, each, "bounced") for each in (a, b)] + [outcome(item, c, "deferred")]
        further = [
            FollowUp(message.id, "broadcast", (a, b), 1, 0.0, "refusal"),
            FollowUp(message.id, "broadcast", (c,), 2, 0.0),
        ]
        for _ in range(2):
            ledger.window(tenant, [move(item, d, outcomes)], outcomes, (), further)
        assert claim(ledger) == []
        (told,) = claim(ledger, limit=9, topics=("refusal",))
        assert (told.ids, told.subject_id, told.stream) == ((a,), message.id, "broadcast")

    def test_one_window_tries_some_again_and_tells_of_others(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b) = add(store, tenant, "a", "b")
        (item,) = claim(ledger)
        outcomes = [outcome(item, a, "rejected"), outcome(item, b, "deferred")]
        further = [
            FollowUp(message.id, "broadcast", (b,), 2, 0.0),
            FollowUp(message.id, "broadcast", (a,), 1, 0.0, "refusal"),
        ]
        ledger.window(tenant, [move(item, b, outcomes, "done")], outcomes, (), further)
        assert [each.ids for each in claim(ledger, limit=9)] == [(b,)]
        (told,) = claim(ledger, limit=9, topics=("refusal",), lease=EXPIRED)
        assert told.ids == (a,)
        assert [(each.topic, each.uncertain) for each in ledger.sweep()] == [("refusal", 0)]
        assert [each.ids for each in claim(ledger, limit=9, topics=("refusal",))] == [(a,)]
        assert counted(store, tenant, message) == {"rejected": 1, "deferred": 1}

    def test_a_repeated_window_changes_nothing(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, ids = add(store, tenant, "a", "b", "c", "d", "e")
        (item,) = claim(ledger)
        intend(ledger, item, ids)
        evidence(ledger, tenant, message.id, ids[4])
        states: tuple[Any, ...] = ("accepted", "deferred", "uncertain", "queued", "bounced")
        outcomes = [outcome(item, each, state) for each, state in zip(ids, states, strict=True)]
        retries = [FollowUp(message.id, "broadcast", (ids[1], ids[3], ids[4]), 2, 0.0)]
        for _ in range(3):
            answer = ledger.window(tenant, [move(item, ids[-1], outcomes)], outcomes, (), retries)
            assert answer.held_on == {item.id}
            assert counted(store, tenant, message) == {
                "accepted": 2, "deferred": 1, "uncertain": 1, "queued": 1,
            }  # fmt: skip
        with store.begin(tenant) as unit:
            assert unit.work.open_items(message.id) == 2
            assert [unit.deliveries.get(each).tries for each in ids] == [1, 1, 1, 1, 0]
        done = move(item, ids[-1], outcomes, "done")
        for _ in range(2):
            ledger.window(tenant, [done], outcomes, (), retries)
        assert len(claim(ledger, limit=9)) == 1
        assert sum(counted(store, tenant, message).values()) == 5

    def test_a_late_answer_settles_what_became_uncertain(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b, c) = add(store, tenant, "a", "b", "c")
        (item,) = claim(ledger, lease=EXPIRED)
        intend(ledger, item, [a, b, c])
        ledger.sweep()
        assert counted(store, tenant, message) == {"uncertain": 3}
        late = [outcome(item, a, "accepted", provider_id="p"), outcome(item, b, "deferred")]
        late.append(outcome(item, c, "uncertain"))
        retries = [FollowUp(message.id, "broadcast", (b, c), 2, 0.0)]
        for _ in range(2):
            answer = ledger.window(tenant, [move(item, c, late)], late, (), retries)
            assert answer.held_on == frozenset()
            assert counted(store, tenant, message) == {"accepted": 1, "deferred": 1, "uncertain": 1}
        assert [each.ids for each in claim(ledger, limit=9)] == [(b,)]
        with store.begin(tenant) as unit:
            assert unit.deliveries.get(a).provider_id == "p"
            assert unit.deliveries.get(c).tries == 0

    def test_a_late_no_does_not_undo_a_resend_but_a_late_yes_ends_it(
        self, store: Store[Any], ledger: Ledger
    ) -> None:
        tenant = add_tenant(store)
        message, (a, b) = add(store, tenant, "a", "b")
        (item,) = claim(ledger, lease=EXPIRED)
        intend(ledger, item, [a, b])
        ledger.sweep()
        with store.begin(tenant) as unit:
            assert unit.deliveries.requeue(message.id, [a, b]) == [a, b]
        late = [outcome(item, a, "bounced"), outcome(item, b, "accepted")]
        ledger.window(tenant, [], late)
        assert counted(store, tenant, message) == {"queued": 1, "accepted": 1}
        (again,) = claim(ledger)
        assert [row.id for row in ledger.read(again, after=0, limit=9)] == [a]

    def test_evidence_that_came_first_stays(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b) = add(store, tenant, "a", "b")
        (item,) = claim(ledger)
        intend(ledger, item, [a, b])
        evidence(ledger, tenant, message.id, a)
        outcomes = [outcome(item, a, "bounced"), outcome(item, b, "accepted")]
        for _ in range(2):
            ledger.window(tenant, [move(item, b, outcomes)], outcomes)
            assert counted(store, tenant, message) == {"accepted": 2}

    def test_a_sweep_leaves_what_evidence_has_settled(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b) = add(store, tenant, "a", "b")
        (item,) = claim(ledger, lease=EXPIRED)
        intend(ledger, item, [a, b])
        evidence(ledger, tenant, message.id, a)
        assert [each.uncertain for each in ledger.sweep()] == [1]
        assert counted(store, tenant, message) == {"accepted": 1, "uncertain": 1}
        assert stored(store, item).state == "done"

    def test_an_answer_without_its_item_is_counted(self, store: Store[Any], ledger: Ledger) -> None:
        """A paused item is let go of; what was under way is answered later, beside no move or another's."""
        tenant = add_tenant(store)
        message, (ann, bob) = add(store, tenant, "ann", "bob")
        [item] = claim(ledger)
        intend(ledger, item, [ann, bob])
        pause(store, message)
        ledger.window(tenant, [], [outcome(item, ann, "accepted")])
        assert counted(store, tenant, message) == {"accepted": 1, "queued": 1}
        other, [_] = add(store, tenant, "cem")
        [others] = claim(ledger, subject_id=other.id)
        ledger.window(tenant, [move(others, others.cursor)], [outcome(item, bob, "accepted")])
        assert counted(store, tenant, message) == {"accepted": 2}

    def test_what_is_under_way_at_a_cancel_is_still_answered(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, (a, b) = add(store, tenant, "a", "b")
        (item,) = claim(ledger)
        intend(ledger, item, [a])
        with store.begin(tenant) as unit:
            assert unit.deliveries.cancel_open(message.id) == 1
        outcomes = [outcome(item, a, "accepted")]
        answer = ledger.window(tenant, [move(item, b, outcomes, "done")], outcomes, [b])
        assert answer.held_on == frozenset()
        assert counted(store, tenant, message) == {"accepted": 1, "cancelled": 1}
