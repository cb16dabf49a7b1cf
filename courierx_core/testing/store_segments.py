"""Segments and what a store makes of their trees: the same people as plain Python finds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courierx_core.audience import tree
from courierx_core.audience.model import Audience, Segment, Subscriber
from courierx_core.campaigns.model import Campaign
from courierx_core.errors import Conflict, NotFound
from courierx_core.feedback.model import Event, FeedbackKind
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.suppression.model import PLATFORM_WIDE, Suppression
from courierx_core.testing.membership import Person, belongs
from courierx_core.testing.store_people import add_list, add_people
from courierx_core.testing.store_samples import add_tenant, new_message

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
LISTS, CAMPAIGNS, PEOPLE = 2, 2, 6
KINDS: tuple[FeedbackKind, ...] = ("opened", "clicked", "bounced")

# a few letters, so that texts meet; those that LIKE, JSON, quoting or cases would trip over among them
_texts = st.text(st.sampled_from("aAbé%_'\"\\. 1-ß😀"), max_size=4)
_some_text = _texts.filter(bool)
_numbers = st.integers(-3, 3) | st.sampled_from([0.1, -0.0, 2.5, 1e15, 10**15, 1 << 62, 10**30])
_number_texts = st.sampled_from(
    ["1", "-1", "01", "0.10", "2.5", "1.", ".5", "1.2.3", "1e3", "9" * 16, "+1", "--1"]
)
_plain = st.none() | st.booleans() | _numbers | _number_texts | _texts
_values = _plain | st.lists(_plain, max_size=3) | st.dictionaries(_texts, _plain, max_size=2)
_names = st.sampled_from(["a", "b.c", '"', "$", "é ", "[0]", "%"])
_times = st.integers(-2, 2).map(lambda hours: NOON + timedelta(hours=hours))
_few = st.lists(_texts, min_size=1, max_size=3).map(tuple)
_within = st.integers(-(10**15), 10**15) | _numbers.filter(lambda n: abs(n) <= 10**15)
_text_ops = st.sampled_from(["contains", "starts_with", "ends_with"])
_ops = st.sampled_from(["equals", *get_args(tree.NumberOp)])
_between = {"since": st.none() | _times, "before": st.none() | _times}

leaves: st.SearchStrategy[tree.Node] = st.one_of(
    st.builds(tree.Field, st.sampled_from(["first_name", "email"]), _text_ops, _some_text),
    st.builds(tree.Field, st.just("last_name"), st.just("equals"), _texts),
    st.builds(tree.Field, st.just("first_name"), st.just("in"), _few),
    st.builds(tree.Field, st.just("status"), st.just("equals"), st.sampled_from(["active", "bounced"])),
    st.builds(tree.Attribute, _names, _text_ops, _some_text),
    st.builds(tree.Attribute, _names, st.just("equals"), _texts | st.booleans()),
    st.builds(tree.Attribute, _names, st.just("in"), _few),
    st.builds(tree.Attribute, _names, _ops, _within),
    st.builds(tree.Attribute, _names, st.just("exists")),
    st.builds(tree.Created, since=st.sampled_from([NOON, NOON + timedelta(days=36_500)])),
    st.builds(tree.OnList, st.integers(0, LISTS)),
    st.builds(tree.HasEvent, st.sampled_from(KINDS), st.none() | st.integers(0, CAMPAIGNS), **_between),
)
trees: st.SearchStrategy[tree.Node] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(tree.And, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(tree.Or, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(tree.Not, inner),
    ),
    max_leaves=6,
)
"""Trees whose lists and campaigns are numbered from 0; `_placed` gives them the ids of a test's own."""

_happenings = st.tuples(
    st.integers(0, PEOPLE - 1),
    st.sampled_from(KINDS),
    st.none() | st.integers(0, CAMPAIGNS - 1),
    _times,
    st.booleans(),
)  # fmt: skip
_people = st.lists(
    st.tuples(
        _texts, _texts, st.sampled_from(["active", "bounced"]), st.dictionaries(_names, _values, max_size=4),
        st.sets(st.integers(0, LISTS - 1)),
    ),
    min_size=1, max_size=PEOPLE,
)  # fmt: skip


def _placed(node: tree.Node, lists: Sequence[int], campaigns: Sequence[int]) -> tree.Node:
    match node:
        case tree.And(of) | tree.Or(of):
            return type(node)(tuple(_placed(each, lists, campaigns) for each in of))
        case tree.Not(of):
            return tree.Not(_placed(of, lists, campaigns))
        case tree.OnList(number):
            return tree.OnList(lists[number] if number < len(lists) else 1 << 50)
        case tree.HasEvent(campaign_id=int(number)):
            of_nobody = 1 << 50
            chosen = campaigns[number] if number < len(campaigns) else of_nobody
            return msgspec.structs.replace(node, campaign_id=chosen)
    return node


def _event(unit: UnitOfWork, recipient: str, kind: FeedbackKind, **fields: Any) -> Event:
    return Event(tenant_id=unit.tenant_id, recipient=recipient, kind=kind, source="test", **fields)


class SegmentsContract:
    def test_a_segment_is_kept_renamed_and_removed(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        definition = tree.And(
            (
                tree.Not(tree.OnList(5)),
                tree.Attribute("plan", "in", ("pro", "plus")),
                tree.HasEvent("opened", campaign_id=3, since=NOON),
                tree.Or((tree.Attribute("n", "at_least", 2.5), tree.Created(within_days=3))),
            )
        )
        with store.begin(tenant) as unit:
            made = unit.segments.add(Segment(tenant_id=tenant, name="fans", definition=definition))
            assert unit.segments.get(made.id) == made
            assert made.definition == definition
            with pytest.raises(Conflict):
                unit.segments.add(Segment(tenant_id=tenant, name="fans", definition=tree.OnList(1)))
            second = unit.segments.add(Segment(tenant_id=tenant, name="two", definition=tree.OnList(1)))
            assert unit.segments.list() == [second, made]
            assert unit.segments.list(before=second.id) == [made]
            with pytest.raises(Conflict):
                unit.segments.save(msgspec.structs.replace(second, name="fans"))
            changed = msgspec.structs.replace(second, name="three", definition=tree.OnList(2))
            saved = unit.segments.save(changed)
            assert (saved.name, saved.definition) == ("three", tree.OnList(2))
        with store.begin(other) as unit:
            assert unit.segments.list() == []
            for missing in (unit.segments.get, unit.segments.remove):
                with pytest.raises(NotFound):
                    missing(made.id)
        with store.begin(tenant) as unit:
            unit.segments.remove(made.id)
            with pytest.raises(NotFound):
                unit.segments.save(made)

    # every store's suite runs this very test, and each example in a tenant of its own
    @settings(
        max_examples=60,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.differing_executors,
        ],
    )
    @given(_people, st.lists(_happenings, max_size=6), st.lists(trees, min_size=1, max_size=4))
    def test_a_store_finds_whom_plain_python_finds(
        self,
        store: Store[Any],
        people: list[tuple[Any, ...]],
        happenings: list[tuple[Any, ...]],
        wanted: list[tree.Node],
    ) -> None:
        with store.platform() as platform:
            number = len(platform.tenants.list(limit=1000))
        tenant = add_tenant(store, f"tenant {number}")
        with store.begin(tenant) as unit:
            lists = [add_list(unit, str(n)) for n in range(LISTS)]
            campaigns, messages = list[int](), dict[int, int | None]()
            for _ in range(CAMPAIGNS):
                made = unit.campaigns.add(Campaign(tenant_id=tenant, name="n", subject="s"))
                message = new_message(unit, campaign_id=made.id)
                unit.campaigns.save(msgspec.structs.replace(made, message_id=message.id), was="draft")
                campaigns.append(made.id)
                messages[made.id] = message.id
            known = []
            for n, (first, last, status, attributes, on) in enumerate(people):
                person = Subscriber(
                    tenant_id=tenant, email=f"{n}a@b.example", first_name=first, last_name=last,
                    status=status, attributes=attributes,
                )  # fmt: skip
                added = unit.subscribers.add(person)
                for each in on:
                    unit.lists.subscribe(lists[each], [added.id])
                known.append(Person(added, {lists[each] for each in on}, []))
            for key, (n, kind, of, at, machine) in enumerate(happenings):
                found = known[n % len(known)]
                message_id = None if of is None else messages[campaigns[of]]
                event = _event(
                    unit, found.subscriber.email, kind, at=at, machine=machine, message_id=message_id,
                    event_key=str(key),
                )  # fmt: skip
                (kept,) = unit.events.add([event])
                found.events.append(kept)
            for node in (_placed(each, lists, campaigns) for each in wanted):
                expected = [p.subscriber.id for p in known if belongs(node, p, messages)]
                audience = Audience(segment=node)
                assert unit.subscribers.count(audience) == len(expected), node
                message = new_message(unit)
                step = unit.deliveries.snapshot(message, audience, after=0, limit=100)
                assert sum(step.counts.values()) == len(expected), node
                reached = unit.deliveries.list(message_id=message.id)
                assert sorted(each.subscriber_id or 0 for each in reached) == expected, node

    def test_a_segment_beside_lists_reaches_each_person_once(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            a, b, c, d = add_people(unit, *(f"{name}@example.com" for name in "abcd"))
            one, no = add_list(unit, "one", a, b), add_list(unit, "no", c)
            late = tree.Field("email", "in", ("b@example.com", "c@example.com", "d@example.com"))
            reached = Audience(list_ids=(one,), segment=late, exclude_list_ids=(no,))
            assert unit.subscribers.count(reached) == 3
            message = new_message(unit)
            seen, after, more = 0, 0, True
            while more:
                step = unit.deliveries.snapshot(message, reached, after=after, limit=2)
                assert step.cursor >= after
                seen += sum(step.counts.values())
                after, more = step.cursor, step.more
            assert seen == 3
            repeated = unit.deliveries.snapshot(message, reached, after=0, limit=100)
            assert (repeated.cursor, repeated.more, repeated.counts) == (d, False, {})
            people = {each.subscriber_id for each in unit.deliveries.list(message_id=message.id)}
            assert people == {a, b, d}
            nobody = Audience(segment=tree.Field("email", "equals", "nobody@example.com"))
            assert not unit.deliveries.snapshot(message, nobody, after=0, limit=5).more
            for ask in (unit.subscribers.count, lambda each: unit.subscribers.forecast(each, "broadcast")):
                with pytest.raises(ValueError, match="not resolved"):
                    ask(Audience(segment_id=1))

    def test_a_segment_sees_its_own_tenant_only(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "other")
        with store.begin(other) as unit:
            add_people(unit, "a@example.com", first_name="Canary")
            campaign = unit.campaigns.add(Campaign(tenant_id=other, name="n", subject="s"))
            message = new_message(unit, campaign_id=campaign.id)
            unit.campaigns.save(msgspec.structs.replace(campaign, message_id=message.id), was="draft")
            unit.events.add([_event(unit, "a@example.com", "opened", at=NOON, event_key="1")])
        with store.begin(tenant) as unit:
            add_people(unit, "a@example.com")
            (opened,) = unit.events.add(
                [_event(unit, "a@example.com", "clicked", at=NOON, event_key="1", message_id=message.id)]
            )
            assert opened.message_id == message.id
            for node in (
                tree.Field("first_name", "equals", "Canary"),
                tree.HasEvent("opened"),
                tree.HasEvent("clicked", campaign.id),
            ):
                assert unit.subscribers.count(Audience(segment=node)) == 0, node
            assert unit.subscribers.count(Audience(segment=tree.HasEvent("clicked"))) == 1

    @pytest.mark.parametrize("stream", ["broadcast", "transactional"])
    def test_a_forecast_is_what_a_snapshot_makes(self, store: Store[Any], stream: Any) -> None:
        tenant = add_tenant(store)
        with store.begin(PLATFORM_WIDE) as unit:
            unit.suppressions.add(Suppression(tenant_id=PLATFORM_WIDE, address="a@example.com"))
        with store.begin(tenant) as unit:
            everyone = [
                *add_people(
                    unit, "a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com"
                ),
                *add_people(unit, "f@example.com", status="unsubscribed"),
                *add_people(unit, "g@example.com", status="bounced"),
            ]
            for name, fields in (
                ("b", {"cause": "complaint"}),
                ("c", {"cause": "unsubscribe"}),
                ("d", {"cause": "manual", "expires_at": NOON - timedelta(days=9999)}),
            ):
                unit.suppressions.add(Suppression(tenant_id=tenant, address=f"{name}@example.com", **fields))
            for audience in (Audience(), Audience(list_ids=(add_list(unit, "all", *everyone),))):
                message = new_message(unit, stream=stream)
                step = unit.deliveries.snapshot(message, audience, after=0, limit=100)
                assert unit.subscribers.forecast(audience, stream) == step.counts
                assert step.counts["suppressed"] >= 2
            assert unit.subscribers.forecast(Audience(list_ids=(1 << 50,)), stream) == {}
