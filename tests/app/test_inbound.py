"""Mail that comes back lands on its delivery once, whoever brought it; what it cannot is dropped, counted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.errors import StoreError
from courierx_core.feedback.inbound import take_in
from courierx_core.feedback.model import Event
from courierx_core.mail.token import Kind, TokenKeys
from courierx_core.messages.model import Content
from courierx_core.messages.service import freeze
from courierx_core.testing.store_samples import new_message

CORPUS = Path(__file__).parents[1] / "core" / "bounces"
DSN = """From: MAILER-DAEMON@mx.example.net
To: <{to}>
Subject: Undelivered Mail Returned to Sender
Message-ID: <1@mx.example.net>
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; ann@x.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {reply}

--b
Content-Type: text/rfc822-headers

{returned}

--b--
"""


def deliver(courier: Courier, tenant_id: int, address: str = "ann@x.example") -> Delivery:
    with courier.store.begin(tenant_id) as unit:
        return unit.deliveries.add(new_message(unit), [address])[0]


def return_path(courier: Courier, delivery: Delivery) -> str:
    return f"b-{courier.tokens.mint('verp', delivery.tenant_id, delivery.id)}@bounce.example.com"


def dsn(
    to: str = "news@example.com",
    *,
    action: str = "failed",
    status: str = "5.1.1",
    reply: str = "550 5.1.1 user unknown",
    returned: str = "Subject: hello",
) -> bytes:
    return DSN.format(to=to, action=action, status=status, reply=reply, returned=returned).encode()


def state_of(courier: Courier, delivery: Delivery) -> str:
    with courier.store.begin(delivery.tenant_id) as unit:
        return unit.deliveries.get(delivery.id).state


def events_of(courier: Courier, delivery: Delivery) -> list[Event]:
    with courier.store.begin(delivery.tenant_id) as unit:
        return list(unit.events.list(delivery_id=delivery.id))


def is_suppressed(courier: Courier, delivery: Delivery) -> bool:
    with courier.store.begin(delivery.tenant_id) as unit:
        return bool(unit.suppressions.list(address=delivery.address))


def test_a_bounce_lands_on_the_delivery_of_its_return_path_once(courier: Courier, tenant_id: int) -> None:
    delivery, other = deliver(courier, tenant_id), deliver(courier, tenant_id)
    raw = dsn(returned=f"X-CourierX-Send-ID: {courier.tokens.mint('send', tenant_id, other.id)}")
    assert take_in(courier, raw, to=return_path(courier, delivery).upper()) == "recorded"
    assert state_of(courier, delivery) == "bounced"
    assert state_of(courier, other) == "queued"
    assert is_suppressed(courier, delivery)
    carried = b"Received: from mx\r\nX-Original-To: x@y.example\r\n" + raw.replace(b"\n", b"\r\n")
    assert take_in(courier, carried, to=return_path(courier, delivery)) == "repeated"
    (event,) = events_of(courier, delivery)
    assert (event.kind, event.status, event.reply) == ("bounced", "5.1.1", "550 5.1.1 user unknown")
    assert "Reporting-MTA" in event.raw["text"]


@pytest.mark.parametrize(
    "returned",
    ["X-CourierX-Send-ID: {}", "Message-ID: <{}@example.com>", "Return-Path: <b-{}@bounce.example>"],
)
def test_without_an_envelope_the_returned_fields_tell(
    courier: Courier, tenant_id: int, returned: str
) -> None:
    delivery = deliver(courier, tenant_id)
    send_id = courier.tokens.mint("send", tenant_id, delivery.id)
    assert take_in(courier, dsn(returned=returned.format(send_id))) == "recorded"
    assert state_of(courier, delivery) == "bounced"


def test_what_is_still_tried_is_no_bounce(courier: Courier, tenant_id: int) -> None:
    delivery = deliver(courier, tenant_id)
    raw = dsn(action="delayed", status="4.4.1", reply="451 4.4.1 no answer")
    assert take_in(courier, raw, to=return_path(courier, delivery)) == "recorded"
    assert state_of(courier, delivery) == "accepted"
    assert [event.kind for event in events_of(courier, delivery)] == ["deferred"]


def test_an_automatic_answer_is_an_event_and_no_bounce(courier: Courier, tenant_id: int) -> None:
    delivery = deliver(courier, tenant_id)
    send_id = courier.tokens.mint("send", tenant_id, delivery.id)
    raw = (
        f"From: ann@x.example\nSubject: Out of office\nAuto-Submitted: auto-replied\n"
        f"In-Reply-To: <{send_id}@example.com>\n\nmy mailbox is full\n"
    ).encode()
    assert take_in(courier, raw) == "recorded"
    assert state_of(courier, delivery) == "queued"
    assert [(event.kind, event.bounce) for event in events_of(courier, delivery)] == [("other", None)]


def test_a_complaint_suppresses_and_not_spam_does_not(courier: Courier, tenant_id: int) -> None:
    delivery = deliver(courier, tenant_id)
    to = return_path(courier, delivery)
    assert take_in(courier, (CORPUS / "arf-not-spam.eml").read_bytes(), to=to) == "not_a_report"
    assert not is_suppressed(courier, delivery)
    assert take_in(courier, (CORPUS / "arf-fraud.eml").read_bytes(), to=to) == "recorded"
    assert is_suppressed(courier, delivery)
    assert [event.kind for event in events_of(courier, delivery)] == ["complained"]


def test_what_is_about_no_delivery_of_ours_is_dropped_with_its_reason(
    courier: Courier, client: TestClient[Litestar], tenant_id: int
) -> None:
    delivery = deliver(courier, tenant_id)
    to = return_path(courier, delivery)
    foreign = TokenKeys(["another secret"]).mint("verp", tenant_id, delivery.id)
    assert take_in(courier, b"From: ann@x.example\nSubject: hello\n\nworld\n", to=to) == "not_a_report"
    assert take_in(courier, dsn()) == "no_token"
    assert take_in(courier, dsn(), to=f"b-{foreign}@bounce.example.com") == "unknown_token"
    assert state_of(courier, delivery) == "queued"
    with courier.store.begin(tenant_id) as unit:
        unit.deliveries.cancel_open(delivery.message_id)
    assert client.delete(f"/tenants/{tenant_id}").status_code == 204
    assert take_in(courier, dsn(), to=to) == "unknown_token"


def test_a_bounce_of_a_bounce_is_held_against_nobody_but_its_own_delivery(
    courier: Courier, tenant_id: int
) -> None:
    delivery = deliver(courier, tenant_id)
    inner = dsn(
        returned=f"X-CourierX-Send-ID: {courier.tokens.mint('send', tenant_id, delivery.id)}"
    ).decode()
    assert take_in(courier, dsn(to="mailer-daemon@mx.example.net", returned=inner)) == "recorded"
    assert take_in(courier, dsn(to="mailer-daemon@mx.example.net", returned=dsn().decode())) == "no_token"


def test_a_store_that_is_away_is_said_so(
    courier: Courier, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = deliver(courier, tenant_id)

    def away(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(courier.store, "begin", away)
    with pytest.raises(StoreError):
        take_in(courier, dsn(), to=return_path(courier, delivery))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=st.binary(max_size=400), kind=st.sampled_from([b"", b"Content-Type: multipart/report\n", dsn()]))
def test_no_bytes_raise(courier: Courier, tenant_id: int, raw: bytes, kind: bytes) -> None:
    to = return_path(courier, deliver(courier, tenant_id))
    assert take_in(courier, kind + raw, to=to) in ("recorded", "not_a_report")


LEAVE = b"From: Ann <other@elsewhere.example>\r\nTo: %s\r\nSubject: unsubscribe\r\nMessage-ID: <1@x>\r\n\r\n"


def leaving(courier: Courier, delivery: Delivery, *, kind: Kind = "unsubscribe", tenant_id: int = 0) -> str:
    token = courier.tokens.mint(kind, tenant_id or delivery.tenant_id, delivery.id)
    return f"u-{token}@bounce.example.com"


def test_a_mail_to_its_list_unsubscribe_stops_the_mailings(courier: Courier, tenant_id: int) -> None:
    delivery = deliver(courier, tenant_id)
    to = leaving(courier, delivery)
    raw = LEAVE % to.encode()
    assert take_in(courier, raw, to=to.upper()) == "recorded"
    assert take_in(courier, raw, to=to) == "recorded"
    (event,) = events_of(courier, delivery)
    assert (event.kind, event.recipient, event.source) == ("unsubscribed", delivery.address, "inbound")
    with courier.store.begin(tenant_id) as unit:
        (barred,) = unit.suppressions.list(address=delivery.address)
    assert barred.cause == "unsubscribe"


def test_where_the_envelope_is_lost_the_fields_tell_whose_unsubscribe_it_is(
    courier: Courier, tenant_id: int
) -> None:
    delivery = deliver(courier, tenant_id)
    assert take_in(courier, LEAVE % leaving(courier, delivery).encode()) == "recorded"
    assert [event.kind for event in events_of(courier, delivery)] == ["unsubscribed"]


def test_an_altered_or_foreign_token_unsubscribes_nobody(courier: Courier, tenant_id: int) -> None:
    delivery = deliver(courier, tenant_id)
    right = leaving(courier, delivery)
    at = right.index("@") - 1
    for to in (
        right[:at] + ("b" if right[at] == "a" else "a") + right[at + 1 :],
        leaving(courier, delivery, tenant_id=tenant_id + 1),
        leaving(courier, delivery, kind="send"),
        leaving(courier, delivery, kind="click"),
        right.replace("u-", "x-"),
    ):
        assert take_in(courier, LEAVE % to.encode(), to=to) == "not_a_report"
    assert not is_suppressed(courier, delivery)


def test_a_bounce_is_no_unsubscribe_wherever_it_goes(courier: Courier, tenant_id: int) -> None:
    delivery = deliver(courier, tenant_id)
    raw = dsn(returned=f"X-CourierX-Send-ID: {courier.tokens.mint('send', tenant_id, delivery.id)}")
    assert take_in(courier, raw, to=leaving(courier, delivery)) == "recorded"
    assert [event.kind for event in events_of(courier, delivery)] == ["bounced"]


@pytest.mark.parametrize(
    ("return_path", "wanted", "offered"),
    [("bounce.example.com", True, True), ("bounce.example.com", False, False), ("", True, False)],
)
def test_it_is_offered_where_mail_comes_back_to_us(
    courier: Courier, tenant_id: int, return_path: str, wanted: bool, offered: bool
) -> None:
    policy = msgspec.structs.replace(courier.policy, return_path=return_path, unsubscribe_mail=wanted)
    courier = msgspec.structs.replace(courier, policy=policy)
    content = Content(from_email="a@x.example", subject="s", text="t", unsubscribe="https://x.example/u")
    with courier.store.begin(tenant_id) as unit:
        frozen = freeze(courier, unit, content, stream="broadcast", transport="mock")
    assert frozen.unsubscribe_mail is offered
