"""A walk through a ledger at random: whatever happens in whatever order, nobody is lost or sent twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from courierx_core.delivery.model import OPEN, DeliveryState, moved
from courierx_core.messages.model import Recipient
from courierx_core.ports.ledger import FollowUp, ItemMove, Outcome
from courierx_core.ports.store import Store
from courierx_core.suppression.model import Suppression
from courierx_core.testing.ledger_answers import evidence
from courierx_core.testing.ledger_samples import EXPIRED, claim, counted
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.work import WorkItem

Draw = Callable[[st.SearchStrategy[Any]], Any]
ANSWERS = ("accepted", "deferred", "put back", "bounced", "uncertain")
EVENTS = (
    *("a_window_turns",) * 8,
    *("leases_run_out",) * 2,
    "is_paused",
    "resumes",
    "uncertain_ones_are_sent_again",
    "a_report_overtakes_the_answer",
    "somebody_is_suppressed",
)
"""One rule chooses from these by weight: of rules of its own Hypothesis switches some off in every run."""
_names = count()


class WalkContract:
    def test_no_order_of_events_loses_or_doubles_anybody(self, store: Store[Any]) -> None:
        profile = settings()
        tried = settings(
            profile, max_examples=max(10, profile.max_examples // 5), stateful_step_count=30, deadline=None
        )
        machine: Any = lambda: LedgerWalk(store)  # noqa: E731
        run_state_machine_as_test(machine, settings=tried)


class Walker:
    """What a worker keeps in memory: one item, its counts, and what is under way."""

    def __init__(self, store: Store[Any], name: str) -> None:
        self.name = name
        self.ledger = store.ledger()
        self.item: WorkItem | None = None
        self.cursor = 0
        self.counts: Mapping[str, int] = {}
        self.under_way: dict[int, tuple[WorkItem, Recipient]] = {}

    def open(self, item: WorkItem) -> None:
        self.item, self.cursor, self.counts = item, item.cursor, item.counts

    def forget(self) -> None:
        self.item = None
        self.under_way.clear()

    def answers(self, said: list[str]) -> list[Outcome]:
        """Turn what the far side said of the oldest under way into outcomes."""
        return [
            self.end(number, row.state if word == "put back" else word, tries=word != "put back")  # type: ignore[arg-type]
            for (number, (_, row)), word in zip(list(self.under_way.items()), said, strict=False)
        ]

    def end(self, number: int, state: DeliveryState, **fields: Any) -> Outcome:
        """Note what became of a delivery under way, and count it if its item is still the one here."""
        item, row = self.under_way.pop(number)
        if self.item is not None and (item.id, item.epoch) == (self.item.id, self.item.epoch):
            self.counts = moved(self.counts, row.state, state)
        return Outcome(number, item.id, item.subject_id, state, item.attempt, before=row.state, **fields)


class LedgerWalk(RuleBasedStateMachine):
    """Two workers, pauses, deaths, sweeps, re-sends, suppressions, late, repeated and overtaken answers.

    The model is what the far side has: `sent` holds everybody who may have the message already. After
    each step every delivery is in one state and the counters equal the rows; at no time is somebody in
    `sent` handed over again, nor anybody suppressed.
    """

    PEOPLE = 5

    def __init__(self, store: Store[Any]) -> None:
        super().__init__()
        self.store = store
        number = next(_names)
        self.tenant = add_tenant(store, f"walk {number}")
        with store.begin(self.tenant) as unit:
            self.message = new_message(unit)
            made = [
                row
                for half in ("ab", "cde")
                for row in unit.deliveries.add(self.message, [f"{name}@example.com" for name in half])
            ]
        self.addresses = {row.id: row.address for row in made}
        self.walkers = [Walker(store, f"walker {number}.{at}") for at in (0, 1)]
        self.sent: set[int] = set()
        self.suppressed: set[int] = set()
        self.paused = False
        self.cancelled_at_the_end = False

    def teardown(self) -> None:
        try:
            self.run_out()
        finally:
            for walker in self.walkers:
                walker.ledger.close()

    @initialize(cancel=st.booleans())
    def ends(self, cancel: bool) -> None:
        self.cancelled_at_the_end = cancel

    @rule(event=st.sampled_from(EVENTS), data=st.data())
    def something_happens(self, event: str, data: st.DataObject) -> None:
        note(event)
        getattr(self, event)(data.draw)

    def a_window_turns(self, draw: Draw) -> None:
        """Turn a worker's window once, or twice, as if a lost connection hid the commit."""
        walker = draw(st.sampled_from(self.walkers))
        more = draw(st.sampled_from([3, 2, 1, 0]))
        said = draw(st.lists(st.sampled_from(ANSWERS), max_size=3))
        self.turn(walker, more, said, twice=draw(st.booleans()))

    def turn(self, walker: Walker, more: int, said: list[str], *, twice: bool = False) -> None:
        """Claim if idle, then some answers and some new intents."""
        if walker.item is None:
            for item in claim(walker.ledger, owner=walker.name, subject_id=self.message.id):
                self.open(walker, item)
        outcomes = walker.answers(said)
        retries = [
            FollowUp(self.message.id, "broadcast", (each.id,), each.attempt + 1, 0.0)
            for each in outcomes
            if each.state in OPEN
        ]
        # the far side does not have it, and says so
        self.sent -= {each.id for each in outcomes if each.state in OPEN or each.state == "bounced"}
        leased = walker.item
        if leased is None:
            for _ in range(1 + twice):
                walker.ledger.window(self.tenant, [], outcomes, (), retries)
            return
        item = leased
        rows = [row for row in walker.ledger.read(item, after=walker.cursor, limit=more) if more]
        cursor = rows[-1].id if rows else walker.cursor
        idle = more > 0 and not rows and not walker.under_way
        move = ItemMove(item.id, item.epoch, cursor, walker.counts, "done" if idle else "leased")
        for _ in range(1 + (twice and not idle)):
            answer = walker.ledger.window(self.tenant, [move], outcomes, [row.id for row in rows], retries)
        if item.id not in answer.held_on:
            walker.item = None
            return
        walker.cursor = cursor
        for row in rows:
            walker.under_way[row.id] = item, row
        self.hand_over(walker, [row.id for row in rows], answer.suppressed)
        if idle:
            walker.item = None

    def open(self, walker: Walker, item: WorkItem) -> None:
        """Take a claimed item, or give it back while answers of its last lease are under way here: an
        outcome does not say of which lease it is."""
        if all(each.id != item.id for each, _ in walker.under_way.values()):
            walker.open(item)
        else:
            back = ItemMove(item.id, item.epoch, item.cursor, item.counts, "ready")
            walker.ledger.window(self.tenant, [back])

    def hand_over(self, walker: Walker, ids: list[int], suppressed: Mapping[int, str]) -> None:
        """Send what was intended; close what the window said is suppressed, and nothing else."""
        assert suppressed.keys() == self.suppressed & set(ids)
        closed = [walker.end(each, "suppressed", reason=cause) for each, cause in suppressed.items()]
        if closed and walker.item is not None:
            move = ItemMove(walker.item.id, walker.item.epoch, walker.cursor, walker.counts)
            walker.ledger.window(self.tenant, [move], closed)
        handed = set(ids) - suppressed.keys()
        assert not handed & self.sent, "handed over again"
        self.sent |= handed

    def leases_run_out(self, draw: Draw) -> None:
        """A worker dies, or sleeps and knows nothing of it; the sweep takes every lease."""
        if draw(st.booleans()):
            draw(st.sampled_from(self.walkers)).forget()
        self.sweep()

    def sweep(self) -> None:
        paused = self.paused
        self.unhold()  # a held lease is not renewed, and so not shortened either
        for walker in self.walkers:
            walker.ledger.renew(walker.name, lease_seconds=EXPIRED)
        if paused:
            self.hold()
        self.walkers[0].ledger.sweep()

    def is_paused(self, _: Draw) -> None:
        self.hold()

    def resumes(self, _: Draw) -> None:
        self.unhold()

    def hold(self) -> None:
        with self.store.begin(self.tenant) as unit:
            unit.work.hold(self.message.id)
        self.paused = True

    def unhold(self) -> None:
        with self.store.begin(self.tenant) as unit:
            unit.work.unhold(self.message.id)
        self.paused = False

    def uncertain_ones_are_sent_again(self, _: Draw) -> None:
        with self.store.begin(self.tenant) as unit:
            lost = [each.id for each in unit.deliveries.list(message_id=self.message.id, state="uncertain")]
            assert list(unit.deliveries.requeue(self.message.id, lost)) == sorted(lost)
        self.sent -= set(lost)

    def a_report_overtakes_the_answer(self, draw: Draw) -> None:
        unanswered = {number for walker in self.walkers for number in walker.under_way}
        if reported := self.sent & unanswered or self.sent:
            number = draw(st.sampled_from(sorted(reported)))
            evidence(self.walkers[0].ledger, self.tenant, self.message.id, number)

    def somebody_is_suppressed(self, draw: Draw) -> None:
        if len(self.suppressed) >= 2:
            return
        number = draw(st.sampled_from(sorted(self.addresses.keys() - self.suppressed)))
        with self.store.begin(self.tenant) as unit:
            unit.suppressions.add(Suppression(tenant_id=self.tenant, address=self.addresses[number]))
        self.suppressed.add(number)

    @invariant()
    def every_delivery_is_counted_in_one_state(self) -> None:
        assert sum(counted(self.store, self.tenant, self.message).values()) == self.PEOPLE

    def run_out(self) -> None:
        """All die; then one healthy worker finishes, or the message is cancelled. Nobody is left open."""
        for walker in self.walkers:
            walker.forget()
        self.nothing_is_broken()
        self.sweep()
        self.unhold()
        if self.cancelled_at_the_end:
            with self.store.begin(self.tenant) as unit:
                unit.deliveries.cancel_open(self.message.id)
            self.unhold()
        for _ in range(20 * self.PEOPLE):
            if not self.open_items():
                break
            self.turn(self.walkers[0], 3, ["accepted"] * 3)
        totals = counted(self.store, self.tenant, self.message)
        assert not totals.keys() & OPEN
        with self.store.begin(self.tenant) as unit:
            assert unit.messages.complete(self.message.id)
        self.nothing_is_broken()

    def nothing_is_broken(self) -> None:
        with self.store.begin(self.tenant, write=False) as unit:
            assert not unit.upkeep.broken()

    def open_items(self) -> int:
        with self.store.begin(self.tenant, write=False) as unit:
            return unit.work.open_items(self.message.id)
