"""Resend: the request is the documented one, every answer has its outcome, and its signature is believed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from courierx_core import (
    Accepted,
    Deferred,
    Forbidden,
    HttpRequest,
    Receipt,
    Refused,
    Runtime,
    Secret,
    Uncertain,
)
from courierx_core.testing import FakeEnvelope, FeedbackContract, TransportContract
from courierx_core.testing.http import HttpAnswer
from courierx_providers.resend import ResendConfig, ResendTransport
from courierx_providers.resend_feedback import ResendFeedback
from tests.plugins.http_fake import DeafPeer
from tests.plugins.provider_samples import Whole, sent

KEY = "re_key_4711"
SECRET = "whsec_" + base64.b64encode(b"a secret of Resend").decode()
RECORDINGS = Path(__file__).parent / "recordings" / "resend"


def make(url: str) -> ResendTransport:
    return ResendTransport("resend", ResendConfig(url=url, api_key=Secret(KEY)), Runtime())


def source(runtime: Runtime, secret: str = SECRET) -> ResendFeedback:
    return ResendFeedback("resend", ResendConfig(api_key=Secret(KEY), webhook_secret=Secret(secret)), runtime)


@pytest.fixture
def peer() -> Iterator[DeafPeer]:
    with DeafPeer(lambda call: HttpAnswer(200, b'{"id":"49a3999c-0ce1"}')) as peer:
        yield peer


class TestResend(TransportContract):
    secret = KEY

    def transport(self, peer: DeafPeer) -> ResendTransport:  # type: ignore[override]
        return make(peer.url)


class TestResendFeedback(FeedbackContract):
    recordings = RECORDINGS
    stale_after: ClassVar[timedelta | None] = timedelta(minutes=5)

    def source(self, runtime: Runtime) -> ResendFeedback:
        return source(runtime)


def test_the_request_is_the_documented_one(peer: DeafPeer) -> None:
    receipt = sent(make(peer.url), Whole(7, "ann@x.example", send_id="abc7"))
    assert receipt == Accepted(7, "49a3999c-0ce1", '200 {"id":"49a3999c-0ce1"}')
    (call,) = peer.calls
    assert (call.method, call.path, call.headers["authorization"]) == ("POST", "/emails", f"Bearer {KEY}")
    assert call.headers["idempotency-key"] == "abc7"
    assert call.headers["user-agent"], "Resend answers 403 to a client without a name"
    assert json.loads(call.body) == {
        "from": '"Jörg, News" <news@example.com>',
        "to": ['"Ann" <Ann@x.example>'],
        "reply_to": "help@example.com",
        "subject": "Grüße",
        "html": "<p>Hello</p>",
        "text": "Hello",
        "headers": {"List-Unsubscribe": "<https://example.com/u>"},
        "tags": [{"name": "courierx_send_id", "value": "abc7"}],
        "attachments": [
            {"filename": "a.pdf", "content_type": "application/pdf", "content": "JVBERg=="},
            {"filename": "l.png", "content_type": "image/png", "content": "UE5H", "content_id": "logo"},
        ],
    }


@pytest.mark.parametrize(
    ("status", "name", "kind", "scope", "wait"),
    [
        (200, "", Accepted, None, None),
        (401, "missing_api_key", Refused, "transport", None),
        (403, "invalid_api_key", Refused, "transport", None),
        (403, "validation_error", Refused, "sender", None),
        (409, "concurrent_idempotent_requests", Uncertain, None, None),
        (409, "invalid_idempotent_request", Uncertain, None, None),
        (422, "invalid_attachment", Refused, "message", None),
        (429, "rate_limit_exceeded", Deferred, "transport", 1.0),
        (429, "daily_quota_exceeded", Deferred, "transport", 3600.0),
        (429, "monthly_quota_exceeded", Deferred, "transport", 3600.0),
        (500, "application_error", Uncertain, None, None),
    ],
)
def test_every_answer_has_its_outcome(
    status: int, name: str, kind: type[Receipt], scope: str | None, wait: float | None
) -> None:
    body = json.dumps({"statusCode": status, "name": name, "message": "why"}).encode()
    with DeafPeer(lambda call: HttpAnswer(status, body)) as peer:
        receipt = sent(make(peer.url), FakeEnvelope(7))
        assert peer.attempts() == 1
    assert type(receipt) is kind
    assert getattr(receipt, "scope", None) == scope
    assert getattr(receipt, "retry_after", None) == wait


def test_a_signature_is_one_of_several_and_no_secret_believes_none() -> None:
    told = json.loads((RECORDINGS / "delivered.json").read_text())
    now = datetime.fromisoformat(told["at"])
    headers = dict(told["request"]["headers"])
    body = told["request"]["text"].encode()

    def request(signature: str) -> HttpRequest:
        given = {**headers, "svix-signature": signature}
        return HttpRequest(method="POST", path="/", query={}, headers=given, body=body)

    good = request(f"v1,AAAA {headers['svix-signature']}")
    source(Runtime(now=lambda: now)).verify(good)
    for bad in ("", "v1,", "v2" + headers["svix-signature"][2:], "v1,é"):
        with pytest.raises(Forbidden):
            source(Runtime(now=lambda: now)).verify(request(bad))
    for secret in ("", "whsec_", "whsec_!"):
        with pytest.raises(Forbidden):
            source(Runtime(now=lambda: now), secret).verify(good)
