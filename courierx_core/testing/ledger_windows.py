"""Windows: what is read, what is intended, and who is told to stop."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from courierx_core.delivery.model import Pace
from courierx_core.ports.ledger import FollowUp, ItemMove, Ledger
from courierx_core.ports.store import Store
from courierx_core.ports.transport import Stream
from courierx_core.suppression.model import PLATFORM_WIDE, Suppression
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
from courierx_core.testing.store_people import add_people
from courierx_core.testing.store_samples import add_tenant, new_message


class WindowsContract(WithLedger):
    def test_what_is_under_way_and_how_fast_it_goes(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        message, ids = add(store, tenant, *"abcdefgh")

        def pace() -> Pace:
            with store.begin(tenant, write=False) as unit:
                return unit.deliveries.pace(message.id)

        assert pace() == Pace()
        (item,) = claim(ledger)
        intend(ledger, item, ids[:6])
        assert pace() == Pace(in_flight=6)
        outcomes = [outcome(item, each, "accepted") for each in ids[:4]]
        ledger.window(tenant, [move(item, ids[5], outcomes)], outcomes)
        found = pace()
        assert found.in_flight == 2
        assert 0.06 < found.per_second <= 4.0  # all of them in the last minute
        rest = [outcome(item, each, "deferred") for each in ids[4:]]
        retry = FollowUp(message.id, "broadcast", tuple(ids[4:]), 2, 0.0)
        ledger.window(tenant, [move(item, ids[7], outcomes + rest, "done")], rest, (), [retry])
        found = pace()
        assert found.in_flight == 0
        assert 0.12 < found.per_second <= 8.0
        (again,) = claim(ledger)
        intend(ledger, again, ids[5:6])
        assert pace().in_flight == 2

    def test_a_read_gives_what_is_open_with_names_and_attributes(
        self, store: Store[Any], ledger: Ledger
    ) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            (person,) = add_people(unit, "a@example.com", first_name="Ä", attributes={"n": [1, None]})
            message = new_message(unit)
            addresses = ["a@example.com", "b@example.com", "c@example.com"]
            rows = unit.deliveries.add(message, addresses, subscriber_ids=[person, None, None])
        a, b, c = (row.id for row in rows)
        (item,) = claim(ledger)
        first, second, _ = ledger.read(item, after=item.cursor, limit=9)
        assert (first.id, first.message_id, first.address, first.state) == (
            a, message.id, "a@example.com", "queued",
        )  # fmt: skip
        assert (first.first_name, first.last_name, first.attributes) == ("Ä", "", {"n": [1, None]})
        assert (second.first_name, second.attributes, second.suppressed) == ("", {}, "")
        assert [row.id for row in ledger.read(item, after=a, limit=1)] == [b]
        assert ledger.read(item, after=c, limit=9) == []
        outcomes = [outcome(item, b, "deferred")]
        ledger.window(tenant, [move(item, c, outcomes)], outcomes)
        assert [row.id for row in ledger.read(item, after=0, limit=9)] == [a, c]

    def test_a_read_stays_inside_its_item(self, store: Store[Any], ledger: Ledger) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        _, mine = add(store, tenant, "a", "b")
        _, next_ones = add(store, tenant, "c")
        add(store, other, "d")
        first, second = claim(ledger, limit=2)
        assert [row.id for row in ledger.read(first, after=0, limit=99)] == mine
        assert [row.id for row in ledger.read(second, after=0, limit=99)] == next_ones
        stolen = msgspec.structs.replace(first, tenant_id=other)
        assert ledger.read(stolen, after=0, limit=99) == []

    def test_a_window_holds_until_the_item_is_taken_paused_or_done(
        self, store: Store[Any], ledger: Ledger
    ) -> None:
        tenant = add_tenant(store)
        message, (a, b, c) = add(store, tenant, "a", "b", "c")
        (item,) = claim(ledger)
        intend(ledger, item, [a])
        assert stored(store, item).cursor == a
        pause(store, message)
        assert ledger.window(tenant, [move(item, b)], (), [b]).held_on == frozenset()
        resume(store, message)
        intend(ledger, item, [b])
        assert ledger.renew("w", lease_seconds=EXPIRED) == {item.id}
        ledger.sweep()
        assert ledger.window(tenant, [move(item, c)], (), [c]).held_on == frozenset()
        (again,) = claim(ledger)
        assert ledger.window(tenant, [move(item, c)], (), [c]).held_on == frozenset()
        assert stored(store, again).cursor == b
        assert ledger.window(tenant, [move(again, c, (), "done")]).held_on == {item.id}
        assert ledger.window(tenant, [move(again, c)], (), [c]).held_on == frozenset()

    def test_a_window_moves_only_its_tenants_items(self, store: Store[Any], ledger: Ledger) -> None:
        mine, theirs = add_tenant(store, "mine"), add_tenant(store, "theirs")
        message, (a,) = add(store, theirs, "a")
        (item,) = claim(ledger)
        outcomes = [outcome(item, a, "bounced")]
        answer = ledger.window(mine, [move(item, a, outcomes)], outcomes, [a])
        assert (answer.held_on, answer.suppressed) == (frozenset(), {})
        assert stored(store, item) == item
        assert counted(store, theirs, message) == {"queued": 1}

    def test_one_window_spans_items(self, store: Store[Any], ledger: Ledger) -> None:
        tenant = add_tenant(store)
        one, (a,) = add(store, tenant, "a")
        two, (b,) = add(store, tenant, "b")
        first, second = claim(ledger, limit=2)
        gone = ItemMove(second.id, second.epoch + 1, b, {})
        assert ledger.window(tenant, [move(first, a), gone], (), [a, b]).held_on == {first.id}
        said = [outcome(first, a, "accepted"), outcome(second, b, "bounced")]
        moves = [move(first, a, said[:1], "done"), move(second, b, said[1:], "done")]
        assert ledger.window(tenant, moves, said).held_on == {first.id, second.id}
        assert counted(store, tenant, one) == {"accepted": 1}
        assert counted(store, tenant, two) == {"bounced": 1}

    def test_an_empty_window_does_nothing(self, store: Store[Any], ledger: Ledger) -> None:
        answer = ledger.window(add_tenant(store), [])
        assert (answer.held_on, answer.suppressed) == (frozenset(), {})

    def test_intents_are_checked_against_suppressions_once_more(
        self, store: Store[Any], ledger: Ledger
    ) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        names = ("fine", "own", "platform", "bounced", "left", "gone", "asked", "theirs")
        with store.begin(tenant) as unit:
            people = dict(zip(names, add_people(unit, *map(_address, names)), strict=True))
            for stream in get_args(Stream):
                message = new_message(unit, stream=stream)
                unit.deliveries.add(message, list(map(_address, names)), subscriber_ids=[*people.values()])
        items = {item.stream: item for _ in range(2) for item in claim(ledger)}
        rows = {each: ledger.read(items[each], after=items[each].cursor, limit=9) for each in items}
        assert [row.suppressed for each in rows.values() for row in each] == [""] * 16
        for owner, name, cause in (
            (PLATFORM_WIDE, "platform", "complaint"), (tenant, "own", "manual"),
            (tenant, "asked", "unsubscribe"), (other, "theirs", "manual"),
        ):  # fmt: skip
            with store.begin(owner) as unit:
                unit.suppressions.add(Suppression(tenant_id=owner, address=_address(name), cause=cause))  # type: ignore[arg-type]
        with store.begin(tenant) as unit:
            for name, status in (("left", "unsubscribed"), ("bounced", "bounced")):
                person = unit.subscribers.get(people[name])
                unit.subscribers.save(msgspec.structs.replace(person, status=status))
            unit.subscribers.remove(people["gone"])
        always = {"own": "manual", "platform": "complaint", "bounced": "hard_bounce"}
        expected = {
            "broadcast": always | {"left": "unsubscribe", "gone": "deleted", "asked": "unsubscribe"},
            "transactional": always,
        }
        for stream, item in items.items():
            by_id = {row.id: row.address.partition("@")[0] for row in rows[stream]}
            answer = ledger.window(tenant, [move(item, max(by_id))], (), list(by_id), stream=stream)
            assert answer.held_on == {item.id}
            assert {by_id[each]: cause for each, cause in answer.suppressed.items()} == expected[stream]
            read = {row.id: row.suppressed for row in ledger.read(item, after=0, limit=9) if row.suppressed}
            assert read == answer.suppressed

    def test_a_suppressed_domain_holds_everybody_there_and_nobody_below_it(
        self, store: Store[Any], ledger: Ledger
    ) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        domains = ("fine", "closed", "shut", "asked", "both", "theirs", "sub.closed")
        with store.begin(tenant) as unit:
            for stream in get_args(Stream):
                message = new_message(unit, stream=stream)
                unit.deliveries.add(message, [f"a@{each}.example" for each in domains])
        items = {item.stream: item for _ in range(2) for item in claim(ledger)}
        rows = {each: ledger.read(items[each], after=items[each].cursor, limit=9) for each in items}
        for owner, listed, cause in (
            (tenant, "@closed.example", "manual"), (PLATFORM_WIDE, "@shut.example", "invalid"),
            (tenant, "@asked.example", "unsubscribe"), (other, "@theirs.example", "manual"),
            (tenant, "@both.example", "manual"), (tenant, "a@both.example", "complaint"),
        ):  # fmt: skip
            with store.begin(owner) as unit:
                unit.suppressions.add(Suppression(tenant_id=owner, address=listed, cause=cause))  # type: ignore[arg-type]
        always = {"closed": "manual", "shut": "invalid", "both": "complaint"}
        expected = {"broadcast": always | {"asked": "unsubscribe"}, "transactional": always}
        for stream, item in items.items():
            by_id = {row.id: row.address[2 : -len(".example")] for row in rows[stream]}
            answer = ledger.window(tenant, [move(item, max(by_id))], (), list(by_id), stream=stream)
            assert {by_id[each]: cause for each, cause in answer.suppressed.items()} == expected[stream]
            read = {row.id: row.suppressed for row in ledger.read(item, after=0, limit=9) if row.suppressed}
            assert read == answer.suppressed


def _address(name: str) -> str:
    return f"{name}@example.com"
