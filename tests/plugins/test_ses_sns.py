"""The feedback source `sns`: what Amazon signed is believed, and nobody else is even asked (S02, S03)."""

from __future__ import annotations

import atexit
import base64
import json
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from courierx_core import ConfigError, FeedbackSource, Forbidden, HttpRequest, InvalidInput, Runtime
from courierx_core.testing import FeedbackContract
from courierx_ses import fetching
from courierx_ses.events import feedback_of
from courierx_ses.feedback import SnsConfig, SnsFeedback
from tests.plugins.ses_events import event
from tests.plugins.sns_fake import CERTIFICATE, HOST, TOPIC, Amazon, certificate, notification, signature

NOW = datetime(2026, 3, 2, 10, 0, 0, 123000, tzinfo=timezone.utc)


def source(amazon: Amazon | None = None, runtime: Runtime | None = None, **settings: Any) -> SnsFeedback:
    settings.setdefault("allowed_topic_arns", (TOPIC,))
    runtime = runtime or Runtime(environment="production", now=lambda: NOW)
    made = SnsFeedback("sns", SnsConfig(**settings), runtime)
    made.fetch = (amazon or Amazon(NOW)).fetch
    return made


def request(told: object, **headers: str) -> HttpRequest:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return HttpRequest(method="POST", path="/events/sns", query={}, headers=headers, body=body)


def recorded() -> Path:
    """Write requests as SNS sends them, signed by the fake's key, and what they mean."""
    kept = tempfile.TemporaryDirectory(prefix="courierx-sns-")
    atexit.register(kept.cleanup)
    folder = Path(kept.name)
    cases: dict[str, tuple[dict[str, str], list[dict[str, Any]]]] = {
        "bounce": (
            notification(event("Bounce", NOW, send_id="abc"), at=NOW),
            [{"kind": "bounced", "send_id": "abc", "recipient": "Ann <ann@x.example>", "status": "5.1.1"}],
        ),
        "old-signature": (
            notification(event("Delivery", NOW, by="notificationType"), at=NOW, version="1", Subject="Hi"),
            [{"kind": "delivered", "provider_id": "0102018f-fake-000000", "recipient": "ann@x.example"}],
        ),
        "greeting": (notification("Successfully validated SNS topic for Amazon SES.", at=NOW), []),
    }
    for name, (told, feedback) in cases.items():
        written = {"request": {"text": json.dumps(told)}, "at": NOW.isoformat(), "feedback": feedback}
        (folder / f"{name}.json").write_text(json.dumps(written))
    return folder


class TestSns(FeedbackContract):
    recordings = recorded()

    def source(self, runtime: Runtime) -> FeedbackSource[Any]:
        return source(Amazon(NOW), runtime)


FORGED = [
    CERTIFICATE.replace("https:", "http:"),
    CERTIFICATE.replace("sns.eu-central-1", "sns.s3-us-west-2"),
    CERTIFICATE.replace("sns.eu-central-1", "sns.us-east-1"),
    CERTIFICATE.replace("amazonaws.com", "amazonaws.com.evil.example"),
    CERTIFICATE.replace("amazonaws.com", "amazonaws.com.cn"),
    CERTIFICATE.replace("https://", "https://evil.example@"),
    CERTIFICATE.replace("https://", "https://evil.example/"),
    CERTIFICATE.replace(".com/", ".com:8443/"),
    CERTIFICATE.replace(".com/", ".com./"),
    CERTIFICATE.replace(".com/", ".com/../"),
    CERTIFICATE.replace("SimpleNotificationService", "Simple"),
    CERTIFICATE.upper(),
    CERTIFICATE + "\n",
    CERTIFICATE + "?x=.pem",
    "",
]


@pytest.mark.parametrize("url", FORGED)
def test_a_certificate_from_anywhere_else_is_refused_and_nobody_is_asked(url: str) -> None:
    amazon = Amazon(NOW)
    with pytest.raises(Forbidden, match="SigningCertURL"):
        source(amazon).verify(request({**notification("x", at=NOW), "SigningCertURL": url}))
    assert amazon.asked == []


@given(st.text(max_size=200))
def test_no_text_at_all_leads_anywhere_else(url: str) -> None:
    amazon = Amazon(NOW)
    with pytest.raises(Forbidden):
        source(amazon).verify(request({**notification("x", at=NOW), "SigningCertURL": url}))
    assert amazon.asked == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"TopicArn": TOPIC + "2"}, "not in SNS_ALLOWED_TOPIC_ARNS"),
        ({"TopicArn": ""}, "not in SNS_ALLOWED_TOPIC_ARNS"),
        ({"Timestamp": "2026-03-01T09:59:00.000Z"}, "too old"),
        ({"Timestamp": "2026-03-02T10:20:00.000Z"}, "too old"),
        ({"Timestamp": "yesterday"}, "too old"),
        ({"SignatureVersion": "3"}, "no signature"),
        ({"Signature": ""}, "no signature"),
        ({"Signature": "***"}, "no base64"),
    ],
)
def test_what_is_wrong_at_a_glance_costs_no_request(fields: dict[str, str], why: str) -> None:
    amazon = Amazon(NOW)
    with pytest.raises(Forbidden, match=why):
        source(amazon).verify(request({**notification("x", at=NOW), **fields}))
    assert amazon.asked == []


def test_only_the_key_of_the_certificate_signs() -> None:
    other = rsa.generate_private_key(65537, 2048)
    for told in (
        notification("x", at=NOW, by=other),
        {**notification("x", at=NOW), "Subject": "added"},
        {**notification("x", at=NOW), "Type": "SubscriptionConfirmation"},
        {**notification("x", at=NOW, version="1"), "SignatureVersion": "2"},
    ):
        with pytest.raises(Forbidden, match="does not verify"):
            source().verify(request(told))


def test_a_certificate_is_fetched_once_and_must_be_valid_now() -> None:
    amazon = Amazon(NOW)
    made = source(amazon)
    amazon.down = True
    with pytest.raises(Forbidden, match="cannot be had"):
        made.verify(request(notification("x", at=NOW)))
    amazon.down = False
    for _ in range(3):
        made.verify(request(notification("x", at=NOW)))
    assert amazon.asked == [CERTIFICATE] * 2
    for found, why in (
        (certificate(NOW - timedelta(days=60)), "not valid now"),
        (certificate(NOW, ec.generate_private_key(ec.SECP256R1())), "no RSA key"),
        (b"<html>", "cannot be had"),
    ):
        amazon = Amazon(NOW)
        amazon.certificate = found
        with pytest.raises(Forbidden, match=why):
            source(amazon).verify(request(notification("x", at=NOW)))


def test_raw_delivery_is_refused_with_the_way_out() -> None:
    with pytest.raises(Forbidden, match="switch it off"):
        source().verify(request(event("Bounce", NOW), **{"x-amz-sns-rawdelivery": "true"}))


@pytest.mark.parametrize("body", [b"x", b"[]", b"\xff", b"[" * 5000, b'{"Type": 1}', b" " * ((1 << 20) + 1)])
def test_what_is_no_notification_is_told_apart_from_a_forged_one(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        source().verify(request(body))


def test_a_subscription_is_confirmed_by_a_url_of_our_own() -> None:
    amazon = Amazon(NOW)
    evil = "https://169.254.169.254/latest?Action=ConfirmSubscription"
    told = notification("You have chosen", at=NOW, Type="SubscriptionConfirmation", SubscribeURL=evil)
    made = source(amazon)
    made.verify(request(told))
    answer = made.answer(request(told))
    assert answer is not None
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "confirmed"})
    arn = "arn%3Aaws%3Asns%3Aeu-central-1%3A123456789012%3Acourierx"
    url = f"{HOST}/?Action=ConfirmSubscription&TopicArn={arn}&Token=2336412f37&Version=2010-03-31"
    assert amazon.asked == [CERTIFICATE, url]
    amazon.down = True
    failed = made.answer(request(told))
    assert failed is not None
    assert json.loads(failed.body) == {"status": "failed"}


def test_the_end_of_a_subscription_is_answered_and_asks_nobody() -> None:
    amazon = Amazon(NOW)
    told = request(notification("You have chosen", at=NOW, Type="UnsubscribeConfirmation"))
    made = source(amazon)
    made.verify(told)
    answer = made.answer(told)
    assert answer is not None
    assert json.loads(answer.body) == {"status": "ok"}
    assert amazon.asked == [CERTIFICATE]


def test_unsigned_is_believed_in_development_alone() -> None:
    told = {**notification("x", at=NOW), "Signature": ""}
    development = Runtime(now=lambda: NOW)
    for switch in ({"verify_signatures": False}, {"skip_signature_verification": True}):
        source(runtime=development, **switch).verify(request(told))
        for environment in ("staging", "production"):
            with pytest.raises(ConfigError, match="anyone could report bounces"):
                source(runtime=Runtime(environment=environment), **switch)  # type: ignore[arg-type]


def test_without_a_list_every_topic_is_believed_in_development_alone() -> None:
    told = request(notification("x", at=NOW))
    source(runtime=Runtime(now=lambda: NOW), allowed_topic_arns=()).verify(told)
    with pytest.raises(Forbidden, match="SNS_ALLOWED_TOPIC_ARNS"):
        source(allowed_topic_arns=()).verify(told)
    for environment in ("development", "production"):
        runtime = Runtime(environment=environment)  # type: ignore[arg-type]
        (problem,) = source(runtime=runtime, allowed_topic_arns=()).check()
        assert (problem.level, problem.code) == ("info", "sns_no_topic")


@pytest.mark.parametrize("arn", ["arn:a", "", "arn:aws:sqs:eu-central-1:123456789012:q", TOPIC + " "])
def test_a_topic_that_is_none_refuses_to_start(arn: str) -> None:
    with pytest.raises(ValueError, match="is no topic"):
        SnsConfig(allowed_topic_arns=(arn,))


def test_china_and_government_have_hosts_of_their_own() -> None:
    for partition, region, host in (
        ("aws-cn", "cn-north-1", "sns.cn-north-1.amazonaws.com.cn"),
        ("aws-us-gov", "us-gov-west-1", "sns.us-gov-west-1.amazonaws.com"),
    ):
        arn = f"arn:{partition}:sns:{region}:123456789012:t.fifo"
        told = notification("x", at=NOW, TopicArn=arn)
        told |= signature({name: told[name] for name in told if "Sign" not in name})
        asked: list[str] = []

        def fetch(url: str, asked: list[str] = asked) -> bytes:
            asked.append(url)
            return certificate(NOW)

        made = source(allowed_topic_arns=(arn,))
        made.fetch = fetch
        url = CERTIFICATE.replace("sns.eu-central-1.amazonaws.com", host)
        made.verify(request({**told, "SigningCertURL": url}))
        assert asked == [url]


# --- what SES's events mean


@pytest.mark.parametrize(
    ("name", "kind", "reply"),
    [
        ("Send", "accepted", "Send"),
        ("Delivery", "delivered", "250 2.6.0 Message received"),
        ("DeliveryDelay", "deferred", "smtp; 452 4.2.2 full"),
        ("Bounce", "bounced", "smtp; 550 5.1.1 user unknown"),
        ("Complaint", "complained", "abuse"),
        ("Reject", "rejected", "Bad content"),
        ("Rendering Failure", "rejected", "Attribute 'x' is not present"),
        ("Open", "opened", "Open"),
        ("Click", "clicked", "Click"),
        ("Subscription", "unsubscribed", "Subscription"),
        ("Something New", "other", "Something New"),
    ],
)
def test_every_event_has_its_kind(name: str, kind: str, reply: str) -> None:
    for by in ("eventType", "notificationType"):
        told = event(name, NOW, send_id="abc", by=by)
        (feedback,) = feedback_of(json.dumps(told), NOW + timedelta(seconds=9))
        assert (feedback.kind, feedback.reply, feedback.at) == (kind, reply, NOW)
        assert (feedback.send_id, feedback.provider_id) == ("abc", "0102018f-fake-000000")
        assert "ann@x.example" in feedback.recipient
        assert json.loads(feedback.raw) == told


@pytest.mark.parametrize(
    ("kind", "sub", "words", "wanted"),
    [
        ("Permanent", "NoEmail", "smtp; 550 5.7.1 blocked", "hard"),
        ("Permanent", "OnAccountSuppressionList", "", "hard"),
        ("Permanent", "General", "", "hard"),
        ("Permanent", "General", "smtp; 550 5.7.1 listed at spamhaus", None),
        ("Transient", "MailboxFull", "smtp; 552 5.2.2 full", "soft"),
        ("Transient", "General", "", "soft"),
        ("Transient", "ContentRejected", "", "policy"),
        ("Undetermined", "Undetermined", "", None),
    ],
)
def test_the_class_of_a_bounce(kind: str, sub: str, words: str, wanted: str | None) -> None:
    person = {"emailAddress": "ann@x.example", **({"diagnosticCode": words} if words else {})}
    told = event("Bounce", NOW, bounceType=kind, bounceSubType=sub, bouncedRecipients=[person])
    (feedback,) = feedback_of(json.dumps(told), NOW)
    assert feedback.bounce == wanted
    assert feedback.reply == (words or f"{kind} {sub}")


def test_not_spam_is_no_complaint_and_a_changed_preference_no_goodbye() -> None:
    for told in (
        event("Complaint", NOW, complaintFeedbackType="not-spam"),
        event("Subscription", NOW, newTopicPreferences={"unsubscribeAll": False}),
    ):
        (feedback,) = feedback_of(json.dumps(told), NOW)
        assert feedback.kind == "other"


def test_our_id_comes_back_in_the_header_where_the_tag_is_lost() -> None:
    told = event("Delivery", NOW, send_id="abc")
    del told["mail"]["tags"]
    (feedback,) = feedback_of(json.dumps(told), NOW)
    assert feedback.send_id == "abc"


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(name=st.sampled_from(["Bounce", "Click", "Delivery", "Subscription"]), data=st.data())
def test_no_shape_of_an_event_breaks_it(name: str, data: st.DataObject) -> None:
    told = event(name, NOW, send_id="abc")
    part = told[{"Bounce": "bounce", "Click": "click", "Delivery": "delivery"}.get(name, "subscription")]
    for place in (told, told["mail"], part):
        for key in data.draw(st.sets(st.sampled_from(sorted(place)), max_size=2)):
            place[key] = data.draw(JSON)
    for feedback in feedback_of(json.dumps(told), NOW):
        assert feedback.at.tzinfo is not None


# --- fetching


def test_a_redirect_an_error_and_a_flood_are_failures() -> None:
    from courierx_core.testing.http import HttpAnswer, HttpPeer

    answers = {
        "/moved": HttpAnswer(302, b"", (("Location", "/fine"),)),
        "/gone": HttpAnswer(404, b"no"),
        "/flood": HttpAnswer(200, b"x" * (fetching.MAX_BYTES + 1)),
        "/fine": HttpAnswer(200, b"pem"),
    }
    with HttpPeer(lambda call: answers[call.path]) as peer:
        assert fetching.get(f"{peer.url}/fine", 5) == b"pem"
        for path in ("/moved", "/gone", "/flood"):
            with pytest.raises(OSError):  # noqa: PT011
                fetching.get(f"{peer.url}{path}", 5)
        assert [call.path for call in peer.calls] == ["/fine", "/moved", "/gone", "/flood"]


def test_the_fake_signs_as_the_source_reads() -> None:
    """A check of the fake itself: what it signs is base64 of 256 bytes, over lines of name and value."""
    told = notification("x", at=NOW, Subject="s")
    assert len(base64.b64decode(told["Signature"])) == 256
    source().verify(request(told))
