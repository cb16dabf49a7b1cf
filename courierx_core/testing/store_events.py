"""Events and what they prove, as every store must keep them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courierx_core.delivery.model import Delivery
from courierx_core.errors import InvalidInput, NotFound
from courierx_core.feedback.model import Event, FeedbackKind, after
from courierx_core.feedback.service import record
from courierx_core.ports.driver import utcnow
from courierx_core.ports.feedback import Feedback
from courierx_core.ports.ledger import ItemMove, Outcome
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.suppression.model import PLATFORM_WIDE, Suppression
from courierx_core.testing.store_deliveries import claim, finish
from courierx_core.testing.store_samples import add_tenant, new_message

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
KINDS: tuple[FeedbackKind, ...] = ("accepted", "delivered", "deferred", "bounced", "opened", "other")
TOLD = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2)), min_size=1, max_size=6)


def event(delivery: Delivery, kind: FeedbackKind = "delivered", key: str = "1", **fields: Any) -> Event:
    return Event(
        tenant_id=delivery.tenant_id,
        at=fields.pop("at", NOON),
        kind=kind,
        message_id=delivery.message_id,
        delivery_id=delivery.id,
        recipient=delivery.address,
        source="test",
        event_key=key,
        **fields,
    )


def deliver(unit: UnitOfWork, *addresses: str) -> list[Delivery]:
    return list(unit.deliveries.add(new_message(unit), addresses or ["a@example.com"]))


class EventsContract:
    def test_an_event_is_kept_once_with_everything_it_said(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            one, two = deliver(unit, "a@example.com", "b@example.com")
            told = event(
                one, "bounced", machine=True, provider_id="p", status="5.1.1", reply="no such user",
                bounce="hard", url="https://x.example", user_agent="ua", raw={"any": [1, {"é": None}]},
            )  # fmt: skip
            (kept,) = unit.events.add([told, told])
            assert kept.id > 0
            assert Event(**{**_asdict(told), "id": kept.id}) == kept
            assert unit.events.add([told]) == []
            others = unit.events.add([event(one), event(one, "bounced", "2"), event(two, "bounced"), told])
            assert [(each.delivery_id, each.kind, each.event_key) for each in others] == [
                (one.id, "delivered", "1"),
                (one.id, "bounced", "2"),
                (two.id, "bounced", "1"),
            ]
            assert unit.events.list(delivery_id=one.id, limit=1, before=others[1].id)[0].id == others[0].id
            assert unit.events.list(recipient="b@example.com") == [others[2]]
            assert unit.events.list(kinds=("delivered",)) == [others[0]]
            assert len(unit.events.list(message_id=one.message_id)) == 4
            assert unit.events.list(since=NOON + timedelta(seconds=1)) == []
            assert len(unit.events.list(since=NOON)) == 4
            # what belongs to a delivery is never let go
            assert unit.events.let_go(ids=[kept.id], before=None) == 0
            assert unit.events.let_go(before=NOON + timedelta(days=1)) == 0

    def test_no_tenant_sees_anothers_events(self, store: Store[Any]) -> None:
        one, two = add_tenant(store, "one"), add_tenant(store, "two")
        with store.begin(one) as unit:
            (delivery,) = deliver(unit)
            unit.events.add([event(delivery)])
        with store.begin(two) as unit:
            assert unit.events.list() == unit.events.list(recipient="a@example.com") == []
            with pytest.raises(NotFound):
                unit.deliveries.lock(delivery.id)

    def test_what_fits_nothing_is_kept_by_the_platform_and_let_go(self, store: Store[Any]) -> None:
        with store.begin(PLATFORM_WIDE) as unit:
            nobody = Event(
                tenant_id=0, at=NOON, kind="bounced", recipient="a@b.example", source="s", event_key="1"
            )
            (kept,) = unit.events.add([nobody, nobody])
            assert unit.events.add([nobody]) == []
            assert unit.events.list() == [kept]
            assert unit.events.let_go(before=NOON) == 0
            assert unit.events.let_go(ids=[kept.id]) == 1
            assert unit.events.list() == []

    def test_evidence_moves_the_row_and_the_counters(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            (delivery,) = deliver(unit)
        told = event(delivery, "bounced", status="5.2.2", reply="full", bounce="soft", provider_id="p")
        with store.begin(tenant) as unit:
            unit.deliveries.prove(unit.deliveries.lock(delivery.id), "bounced", told)
        with store.begin(tenant) as unit:
            row = unit.deliveries.get(delivery.id)
            assert (row.state, row.reason, row.status) == ("bounced", "soft", "5.2.2")
            assert (row.reply, row.provider_id) == ("full", "p")
            assert row.sent_at is not None
            assert unit.deliveries.totals(delivery.message_id) == {"bounced": 1}

    def test_the_provider_id_finds_a_delivery(self, store: Store[Any]) -> None:
        add_tenant(store, "one")
        tenant = add_tenant(store, "two")
        with store.begin(tenant) as unit:
            message = new_message(unit, transport="mock")
            one, two = unit.deliveries.add(message, ["a@example.com", "b@example.com"])
        ledger = store.ledger()
        try:
            finish(ledger, claim(ledger, subject_id=message.id)[0], "accepted", provider_id="p")
        finally:
            ledger.close()
        with store.platform() as platform:
            assert platform.delivery_of("mock", "p", "b@example.com") == (tenant, two.id)
            assert platform.delivery_of("mock", "p", "a@example.com") == (tenant, one.id)
            for wrong in (
                ("ses", "p", "a@example.com"),
                ("mock", "q", "a@example.com"),
                ("mock", "p", "c@x"),
            ):
                assert platform.delivery_of(*wrong) is None

    def test_the_provider_id_finds_a_delivery_by_what_it_went_over(self, store: Store[Any]) -> None:
        """Its message names a route, or another transport; what it went over is its own."""
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit, transport="main")
            (delivery,) = unit.deliveries.add(message, ["a@example.com"])
        ledger = store.ledger()
        try:
            (item,) = claim(ledger, subject_id=message.id)
            finish(ledger, item, "accepted", provider_id="p", transport="eu")
        finally:
            ledger.close()
        with store.platform() as platform:
            assert platform.delivery_of("eu", "p", "a@example.com") == (tenant, delivery.id)
            assert platform.delivery_of("main", "p", "a@example.com") is None
            assert platform.delivery_of("us", "p", "a@example.com") is None

    def test_evidence_before_the_answer_stays(self, store: Store[Any]) -> None:
        """The API's own answer comes late: it finds the row moved, and the counts still add up."""
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit)
            one, two = unit.deliveries.add(message, ["a@example.com", "b@example.com"])
        ledger = store.ledger()
        try:
            (item,) = claim(ledger, subject_id=message.id)
            ledger.window(tenant, [ItemMove(item.id, item.epoch, two.id, {})], (), [one.id, two.id])
            for delivery, kind in ((one, "delivered"), (two, "bounced")):
                with store.begin(tenant) as unit:
                    record(unit, delivery.id, "test", [Feedback(kind=kind, at=NOON)])  # type: ignore[arg-type]
            outcomes = [
                Outcome(one.id, item.id, message.id, "accepted", 1, tries=1, provider_id="p1"),
                Outcome(two.id, item.id, message.id, "uncertain", 1, tries=1),
            ]
            done = ItemMove(item.id, item.epoch, two.id, {"queued": 0, "accepted": 1, "uncertain": 1}, "done")
            ledger.window(tenant, [done], outcomes)
        finally:
            ledger.close()
        with store.begin(tenant) as unit:
            assert unit.deliveries.recount(message.id) == {"delivered": 1, "bounced": 1}

    @settings(
        max_examples=15,
        deadline=None,
        # each example has a message of its own; each store's class runs it by itself
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(told=TOLD, data=st.data())
    def test_any_order_and_repetition_ends_the_same(
        self, store: Store[Any], told: list[tuple[FeedbackKind, int]], data: st.DataObject
    ) -> None:
        with store.platform() as platform:
            tenant = next((each.id for each in platform.tenants.list()), 0)
        tenant = tenant or add_tenant(store)
        words = [Feedback(kind=kind, at=NOON + timedelta(hours=hour)) for kind, hour in told]
        shuffled = data.draw(st.permutations(words * 3))
        with store.begin(tenant) as unit:
            message = new_message(unit)
            ids = [each.id for each in unit.deliveries.add(message, ["a@example.com", "b@example.com"])]
        for delivery_id, order in zip(ids, (words, shuffled), strict=True):
            for one in order:
                with store.begin(tenant) as unit:
                    record(unit, delivery_id, "test", [one])
        with store.begin(tenant) as unit:
            first, second = (unit.deliveries.get(delivery_id) for delivery_id in ids)
            wanted = "queued"
            for one in words:
                wanted = after(wanted, one.kind)  # type: ignore[arg-type]
            assert first.state == second.state == wanted
            for delivery_id in ids:
                got = {(each.kind, each.at) for each in unit.events.list(delivery_id=delivery_id)}
                assert got == {(each.kind, each.at) for each in words}
                assert len(unit.events.list(delivery_id=delivery_id)) == len(got)
            assert unit.deliveries.totals(message.id) == unit.deliveries.recount(message.id) == {wanted: 2}

    def test_the_log_shows_deliveries_with_their_events(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        with store.begin(tenant) as unit:
            message = new_message(unit, campaign_id=77)
            a, b, c = unit.deliveries.add(message, ["a@example.com", "b@example.com", "c@example.com"])
            late = NOON + timedelta(hours=1)
            unit.events.add(
                [
                    event(a, "complained", at=late),
                    event(a, "delivered"),
                    event(b, "opened", "1"),
                    event(b, "bounced", bounce="soft", at=late),
                    event(b, "opened", "2", at=late - timedelta(minutes=1)),
                ]
            )
            listed = unit.deliveries.log
            lines = listed(message_id=message.id)
            assert [line.delivery for line in lines] == [
                msgspec.structs.replace(each, created_at=message.created_at) for each in (c, b, a)
            ]
            assert {line.campaign_id for line in lines} == {77}
            assert [line.last and line.last.kind for line in lines] == [None, "bounced", "complained"]
            assert [line.bounce and line.bounce.bounce for line in lines] == [None, "soft", None]
            assert [line.status for line in lines] == ["queued", "queued", "complaint"]
            assert [line.id for line in listed(status="complaint")] == [a.id]
            assert [line.id for line in listed(status="queued")] == [c.id, b.id]
            assert [line.id for line in listed(status="sent")] == []
            assert [line.id for line in listed(delivery_id=b.id)] == [b.id]
            assert [line.id for line in listed(before=c.id, limit=1)] == [b.id]
            assert [line.id for line in listed(address="a@example.com", since=NOON)] == [a.id]
            assert listed(since=utcnow() + timedelta(hours=1)) == []
            with pytest.raises(InvalidInput):
                listed(limit=1001)
        with store.begin(add_tenant(store, "other")) as unit:
            assert unit.deliveries.log() == []

    def test_the_stronger_suppression_stays(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)

        def cause(new: Suppression) -> tuple[str, datetime | None]:
            with store.begin(tenant) as unit:
                unit.suppressions.strengthen(new)
                (found,) = unit.suppressions.list(address="a@example.com")
                return found.cause, found.expires_at

        def suppression(cause: Any, expires: datetime | None = None) -> Suppression:
            return Suppression(tenant_id=tenant, address="a@example.com", cause=cause, expires_at=expires)

        later = NOON.replace(year=2090)
        assert cause(suppression("hard_bounce", later)) == ("hard_bounce", later)
        assert cause(suppression("unsubscribe")) == ("unsubscribe", None)
        assert cause(suppression("hard_bounce", later)) == ("unsubscribe", None)
        assert cause(suppression("complaint")) == ("complaint", None)
        assert cause(suppression("hard_bounce", later)) == ("complaint", None)
        assert cause(suppression("unsubscribe")) == ("complaint", None)


def _asdict(value: Event) -> dict[str, Any]:
    return {name: getattr(value, name) for name in Event.__struct_fields__}
