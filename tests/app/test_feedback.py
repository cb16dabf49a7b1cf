"""Feedback end to end in the assembled system: matched, applied once, kept, and the lists kept clean."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.feedback.model import Event, after, gave_up
from courierx_core.feedback.service import KEPT_FOR, RAW_MAX, match_kept, receive
from courierx_core.mail.bounce_class import classify
from courierx_core.mail.token import TokenKeys
from courierx_core.ports.feedback import Feedback
from courierx_core.ports.ledger import ItemMove, Outcome
from courierx_core.testing.store_samples import new_message

Client = TestClient[Litestar]
NOON = (datetime.now(timezone.utc) - timedelta(days=9)).replace(hour=12, minute=0, second=0, microsecond=0)
"""Some days ago: what happened then may still hold now."""


def deliver(courier: Courier, tenant_id: int, address: str = "ann@x.example") -> Delivery:
    with courier.store.begin(tenant_id) as unit:
        return unit.deliveries.add(new_message(unit), [address])[0]


def accept(courier: Courier, delivery: Delivery, provider_id: str, state: Any = "accepted") -> None:
    """Answer for the transport."""
    ledger = courier.store.ledger()
    try:
        (item,) = ledger.claim(
            "w", limit=1, lease_seconds=60, topics=("send",), subject_id=delivery.message_id
        )
        outcome = Outcome(
            delivery.id, item.id, delivery.message_id, state, 1, tries=1, provider_id=provider_id
        )
        move = ItemMove(item.id, item.epoch, delivery.id, {"queued": 0, state: 1}, "done")
        ledger.window(delivery.tenant_id, [move], [outcome])
    finally:
        ledger.close()


def about(courier: Courier, delivery: Delivery, kind: Any = "delivered", **fields: Any) -> Feedback:
    send_id = courier.tokens.mint("send", delivery.tenant_id, delivery.id)
    return Feedback(**{"kind": kind, "at": NOON, "send_id": send_id, **fields})


def state_of(courier: Courier, delivery: Delivery) -> str:
    with courier.store.begin(delivery.tenant_id) as unit:
        assert unit.deliveries.totals(delivery.message_id) == unit.deliveries.recount(delivery.message_id)
        return unit.deliveries.get(delivery.id).state


def suppressed(courier: Courier, tenant_id: int, address: str = "ann@x.example") -> list[tuple[str, bool]]:
    with courier.store.begin(tenant_id) as unit:
        found = unit.suppressions.list(address=address)
    return [(each.cause, each.expires_at is not None) for each in found]


def test_our_token_finds_the_delivery_and_only_a_true_one(courier: Courier, tenant_id: int) -> None:
    delivery = deliver(courier, tenant_id)
    told = about(courier, delivery)
    forged = [
        msgspec.structs.replace(told, send_id=text)
        for text in (
            told.send_id[:-1] + ("a" if told.send_id[-1] != "a" else "b"),
            TokenKeys(["another secret"]).mint("send", tenant_id, delivery.id),
            courier.tokens.mint("send", tenant_id + 1, delivery.id),
            courier.tokens.mint("send", tenant_id, delivery.id + 1000),
            "junk",
        )
    ]
    assert receive(courier, "mock", forged).unmatched == len(forged)
    assert receive(courier, "mock", [told], tenant_id=tenant_id + 1).unmatched == 1  # T07
    assert state_of(courier, delivery) == "queued"
    got = receive(courier, "mock", [told, told], tenant_id=tenant_id)
    assert (len(got.events), got.known, got.unmatched) == (1, 1, 0)
    assert receive(courier, "mock", [told]).known == 1
    assert state_of(courier, delivery) == "delivered"


def test_feedback_settles_what_was_uncertain(courier: Courier, tenant_id: int) -> None:
    delivery = deliver(courier, tenant_id)
    accept(courier, delivery, "", state="uncertain")
    assert state_of(courier, delivery) == "uncertain"
    receive(courier, "mock", [about(courier, delivery, "accepted")])
    assert state_of(courier, delivery) == "accepted"


def test_what_comes_before_the_answer_is_kept_and_matched_after_it(courier: Courier, tenant_id: int) -> None:
    now = courier.runtime.now()
    delivery = deliver(courier, tenant_id)
    early = Feedback(
        kind="bounced", at=now, provider_id="p-1", recipient="Ann <ANN@x.example>", bounce="soft",
        reply="full\0", raw='{"why":"full"}',
    )  # fmt: skip
    stranger = msgspec.structs.replace(early, provider_id="p-2")
    assert receive(courier, "mock", [early, stranger, early]).unmatched == 3
    assert match_kept(courier) == 0
    accept(courier, delivery, "p-1")
    assert match_kept(courier) == 1
    assert match_kept(courier) == 0
    assert state_of(courier, delivery) == "bounced"
    assert receive(courier, "mock", [early]).known == 1
    with courier.store.begin(tenant_id) as unit:
        (event,) = unit.events.list(delivery_id=delivery.id)
    assert (event.reply, event.raw, event.at) == ("full", {"why": "full"}, early.at)


def test_what_is_kept_for_one_tenants_endpoint_never_matches_anothers(
    courier: Courier, tenant_id: int
) -> None:
    delivery = deliver(courier, tenant_id)
    told = Feedback(
        kind="bounced", at=courier.runtime.now(), provider_id="p", recipient=delivery.address, bounce="hard"
    )
    receive(courier, "mock", [told], tenant_id=tenant_id + 1)
    accept(courier, delivery, "p")
    assert match_kept(courier) == 0
    assert state_of(courier, delivery) == "accepted"


def test_what_nobody_claims_is_let_go(courier: Courier) -> None:
    old = Feedback(
        kind="bounced", at=courier.runtime.now() - KEPT_FOR, provider_id="p", recipient="a@b.example"
    )
    receive(courier, "mock", [old])
    match_kept(courier)
    with courier.store.begin(0) as unit:
        assert unit.events.list() == []


@pytest.mark.parametrize(
    ("kind", "fields", "cause"),
    [
        ("bounced", {"bounce": "hard"}, [("hard_bounce", False)]),
        ("bounced", {"status": "5.1.1"}, [("hard_bounce", False)]),
        ("bounced", {"bounce": "soft", "status": "5.1.1"}, []),
        ("bounced", {"bounce": "policy"}, []),
        ("bounced", {"bounce": "sender"}, []),
        ("bounced", {"reply": "550 5.7.1 blocked"}, []),
        ("rejected", {}, []),
        ("complained", {}, [("complaint", False)]),
        ("unsubscribed", {}, [("unsubscribe", False)]),
        ("other", {}, []),
        ("delivered", {}, []),
    ],
)
def test_what_suppresses(
    courier: Courier, tenant_id: int, kind: str, fields: dict[str, Any], cause: list[tuple[str, bool]]
) -> None:
    delivery = deliver(courier, tenant_id)
    receive(courier, "mock", [about(courier, delivery, kind, **fields)])
    assert suppressed(courier, tenant_id) == cause


def test_a_week_of_soft_bounces_suppresses_for_a_while(courier: Courier, tenant_id: int) -> None:
    for day in (0, 2, 4, 6):
        told = about(courier, deliver(courier, tenant_id), "bounced", bounce="soft", at=NOON + timedelta(day))
        receive(courier, "mock", [told])
    assert suppressed(courier, tenant_id) == []
    last = about(courier, deliver(courier, tenant_id), "bounced", bounce="soft", at=NOON + timedelta(8))
    receive(courier, "mock", [last])
    assert suppressed(courier, tenant_id) == [("hard_bounce", True)]


def history(*days: int, arrived: int | None = None) -> list[Event]:
    def event(kind: Any, day: int) -> Event:
        return Event(
            tenant_id=1, at=NOON + timedelta(day), kind=kind, recipient="a@b.c", source="s", event_key="",
            bounce="soft" if kind == "bounced" else None,
        )  # fmt: skip

    return [event("bounced", day) for day in days] + ([event("opened", arrived)] if arrived else [])


@pytest.mark.parametrize(
    ("events", "gone"),
    [
        (history(0, 1, 2, 3, 7), True),
        (history(7, 3, 0, 2, 1), True),
        (history(0, 1, 2, 3, 6), False),
        (history(0, 0, 0, 7), False),
        (history(0, 1, 2, 3, 7, arrived=2), False),
        (history(0, 2, 3, 4, 5, 9, arrived=1), True),
        ([], False),
    ],
)
def test_soft_bounces_add_up_over_a_week_without_an_arrival(events: list[Event], gone: bool) -> None:
    assert gave_up(events) is gone


def test_a_late_delivered_never_undoes_a_bounce() -> None:
    assert after("bounced", "delivered") == "bounced"
    assert after("uncertain", "deferred") == "accepted"
    assert after("failed", "delivered") == "failed"


def test_codes_alone_class_a_bounce() -> None:
    classes = {each: classify(each, "") for each in ("5.1.1", "5.7.8", "5.7.1", "4.2.2", "5.2.2", "")}
    assert list(classes.values()) == ["hard", "sender", "policy", "soft", "soft", "soft"]


@pytest.mark.parametrize(
    "raw",
    [
        '{"a":"\\u0000"}', '{"a":"\\ud800"}', '{"a":' + "[" * 5000, "[1]", "nul\0", "x" * 2 * RAW_MAX,
        '{"n":123456789012345678901234567890123456789}', '{"n":1e999}', "\ud800",
        '{"a":"' + "b" * (RAW_MAX - 20) + '"}',
    ],
)  # fmt: skip
def test_any_account_is_kept_as_json_of_a_bounded_size(courier: Courier, tenant_id: int, raw: str) -> None:
    receive(courier, "mock", [about(courier, deliver(courier, tenant_id), raw=raw)])
    with courier.store.begin(tenant_id) as unit:
        (event,) = unit.events.list()
    text = msgspec.json.encode(event.raw)
    assert len(text) < 2 * RAW_MAX
    assert b"\\u0000" not in text.replace(b"\\\\u0000", b"")


@given(st.datetimes(), st.text(max_size=20), st.text(max_size=20))
def test_any_words_have_a_place(at: datetime, words: str, recipient: str) -> None:
    from courierx_core.feedback.service import _cleaned, _kept

    kept = _kept("s", _cleaned(Feedback(kind="other", at=at, reply=words, recipient=recipient)), None)
    assert 2000 <= kept.at.year <= 2100
    assert "\0" not in msgspec.json.encode(kept.raw).decode() + kept.recipient


# --- the API


def test_events_are_listed(client: Client, courier: Courier, tenant_id: int) -> None:
    person = client.post("/subscribers", json={"tenant_id": tenant_id, "email": "ann@x.example"}).json()
    one, two = deliver(courier, tenant_id), deliver(courier, tenant_id, "bob@x.example")
    receive(courier, "mock", [about(courier, one, "bounced", bounce="hard", raw='{"x":1}')])
    receive(courier, "mock", [about(courier, two, at=NOON + timedelta(days=1))])
    both = client.get("/events", params={"tenant_id": tenant_id}).json()
    assert [each["kind"] for each in both] == ["delivered", "bounced"]
    (bounced,) = client.get(f"/deliveries/{one.id}/events").json()
    assert (bounced["raw"], bounced["bounce"], bounced["recipient"]) == ({"x": 1}, "hard", "ann@x.example")
    assert client.get(f"/subscribers/{person['id']}/events").json() == [bounced]
    ask: dict[str, Any] = {"tenant_id": tenant_id, "since": (NOON + timedelta(hours=12)).isoformat()}
    assert [each["id"] for each in client.get("/events", params=ask).json()] == [both[0]["id"]]
    found = client.get("/events", params={"tenant_id": tenant_id, "kind": "bounced", "limit": 1})
    assert found.json() == [bounced]
    assert found.headers["x-next-cursor"].startswith(f"{bounced['id']}-")
    assert (
        client.get("/events", params={"tenant_id": tenant_id, "since": "2026-02-01T00:00"}).status_code == 422
    )
    assert client.get(f"/deliveries/{two.id + 1000}/events").status_code == 404
    other = client.post("/tenants", json={"name": "Other", "contact_email": "o@o.example"}).json()["id"]
    assert client.get("/events", params={"tenant_id": other}).json() == []
