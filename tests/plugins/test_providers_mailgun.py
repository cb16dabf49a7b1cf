"""Mailgun: the message goes as it is, every answer has its outcome, and its signature is believed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
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
from courierx_providers.mailgun import MailgunConfig, MailgunTransport
from courierx_providers.mailgun_feedback import MailgunFeedback
from tests.plugins.http_fake import DeafPeer
from tests.plugins.provider_samples import sent

KEY = "mailgun-key-4711"
TAKEN = b'{"id":"<m1@mg.example.com>","message":"Queued. Thank you."}'
RECORDINGS = Path(__file__).parent / "recordings" / "mailgun"


def make(url: str) -> MailgunTransport:
    config = MailgunConfig(url=url, api_key=Secret(KEY), domain="mg.example.com")
    return MailgunTransport("mailgun", config, Runtime())


def source(runtime: Runtime, key: str = "signing-key-4711") -> MailgunFeedback:
    config = MailgunConfig(api_key=Secret(KEY), domain="mg.example.com", signing_key=Secret(key))
    return MailgunFeedback("mailgun", config, runtime)


@pytest.fixture
def peer() -> Iterator[DeafPeer]:
    with DeafPeer(lambda call: HttpAnswer(200, TAKEN)) as peer:
        yield peer


class TestMailgun(TransportContract):
    secret = KEY

    def transport(self, peer: DeafPeer) -> MailgunTransport:  # type: ignore[override]
        return make(peer.url)


class TestMailgunFeedback(FeedbackContract):
    recordings = RECORDINGS
    stale_after: ClassVar[timedelta | None] = timedelta(hours=12)
    signed = False

    def source(self, runtime: Runtime) -> MailgunFeedback:
        return source(runtime)


def test_the_request_is_the_documented_one(peer: DeafPeer) -> None:
    envelope = FakeEnvelope(7, "ann@x.example", send_id="abc7")
    assert sent(make(peer.url), envelope) == Accepted(7, "m1@mg.example.com", f"200 {TAKEN.decode()}")
    (call,) = peer.calls
    assert (call.method, call.path) == ("POST", "/v3/mg.example.com/messages.mime")
    assert base64.b64decode(call.headers["authorization"].removeprefix("Basic ")) == f"api:{KEY}".encode()
    head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
    parts = {
        part.get_param("name", header="content-disposition"): (part.get_filename(), part.get_payload())
        for part in message_from_bytes(head + call.body).walk()
        if not part.is_multipart()
    }
    message = envelope.mime()
    assert parts["to"] == (None, "ann@x.example")
    assert parts["v:courierx_send_id"] == (None, "abc7")
    assert parts["message"][0] == "message.eml"
    assert b'filename="message.eml"\r\n\r\n' + message + b"\r\n--" in call.body


def test_orders_to_mailgun_are_nobodys_headers(peer: DeafPeer) -> None:
    content = b"From: a@example.com\r\nX-Mailgun-Sending-Ip: 192.0.2.1\r\n\r\nHello\r\n"
    refused = sent(make(peer.url), FakeEnvelope(7, content=content))
    assert isinstance(refused, Refused)
    assert (refused.scope, peer.attempts()) == ("message", 0)


@pytest.mark.parametrize(
    ("status", "kind", "scope"),
    [
        (200, Accepted, None),
        (400, Refused, "message"),
        (413, Refused, "message"),
        (401, Refused, "transport"),
        (402, Refused, "transport"),
        (404, Refused, "transport"),
        (429, Deferred, "transport"),
        (500, Uncertain, None),
    ],
)
def test_every_answer_has_its_outcome(status: int, kind: type[Receipt], scope: str | None) -> None:
    with DeafPeer(lambda call: HttpAnswer(status, b"Forbidden")) as peer:  # a refused key is answered in text
        receipt = sent(make(peer.url))
        assert peer.attempts() == 1
    assert type(receipt) is kind
    assert getattr(receipt, "scope", None) == scope


@pytest.mark.parametrize("part", ["timestamp", "token", "signature"])
def test_a_changed_proof_is_forbidden(part: str) -> None:
    told = json.loads((RECORDINGS / "delivered.json").read_text())
    now = datetime.fromisoformat(told["at"]).astimezone(timezone.utc)
    body = json.loads(told["request"]["text"])
    good = HttpRequest(method="POST", path="/", query={}, headers={}, body=json.dumps(body).encode())
    source(Runtime(now=lambda: now)).verify(good)
    with pytest.raises(Forbidden):
        source(Runtime(now=lambda: now), key="").verify(good)
    body["signature"][part] = body["signature"][part][:-1] + "x"
    bad = HttpRequest(method="POST", path="/", query={}, headers={}, body=json.dumps(body).encode())
    with pytest.raises(Forbidden):
        source(Runtime(now=lambda: now)).verify(bad)


def test_a_domain_that_is_none_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="MAILGUN_DOMAIN is"):
        MailgunConfig(api_key=Secret(KEY), domain="../messages")
