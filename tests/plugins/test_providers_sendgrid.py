"""SendGrid: the request is the documented one, every answer has its outcome, its signature is believed."""

from __future__ import annotations

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
    InvalidInput,
    Receipt,
    Refused,
    Runtime,
    Secret,
    Uncertain,
)
from courierx_core.testing import FeedbackContract, TransportContract
from courierx_core.testing.http import HttpAnswer
from courierx_providers.sendgrid import SendgridConfig, SendgridTransport
from courierx_providers.sendgrid_feedback import SendgridFeedback
from tests.plugins.http_fake import DeafPeer
from tests.plugins.provider_samples import Whole, sent

KEY = "SG.key-4711"
PUBLIC_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdQTGED/IAqXGxqYPizqz22GhJy0o"
    "PqXYvWPT71HURtLZ54U9c6cDlFfCxklYo0JASLgUKF91uCfDjeIhpVeO6g=="
)
"""Its other half, made for these recordings, is thrown away."""
ED25519 = "MCowBQYDK2VwAyEArNWQ41pphxk3bnELHqeFxgqfh1Q9/oWGHnpjK4XyTPg="
TAKEN = HttpAnswer(202, b"", (("X-Message-Id", "LRzXl_NHStOGhQ4kofSm_A"),))
RECORDINGS = Path(__file__).parent / "recordings" / "sendgrid"


def make(url: str) -> SendgridTransport:
    return SendgridTransport("sendgrid", SendgridConfig(url=url, api_key=Secret(KEY)), Runtime())


def source(runtime: Runtime, key: str = PUBLIC_KEY) -> SendgridFeedback:
    return SendgridFeedback("sendgrid", SendgridConfig(api_key=Secret(KEY), webhook_public_key=key), runtime)


@pytest.fixture
def peer() -> Iterator[DeafPeer]:
    with DeafPeer(lambda call: TAKEN) as peer:
        yield peer


class TestSendgrid(TransportContract):
    secret = KEY

    def transport(self, peer: DeafPeer) -> SendgridTransport:  # type: ignore[override]
        return make(peer.url)


class TestSendgridFeedback(FeedbackContract):
    recordings = RECORDINGS
    stale_after: ClassVar[timedelta | None] = timedelta(days=1)

    def source(self, runtime: Runtime) -> SendgridFeedback:
        return source(runtime)


def test_the_request_is_the_documented_one(peer: DeafPeer) -> None:
    receipt = sent(make(peer.url), Whole(7, "ann@x.example", send_id="abc7"))
    assert receipt == Accepted(7, "LRzXl_NHStOGhQ4kofSm_A", "202 ")
    (call,) = peer.calls
    assert (call.method, call.path, call.headers["authorization"]) == (
        "POST",
        "/v3/mail/send",
        f"Bearer {KEY}",
    )
    assert json.loads(call.body) == {
        "personalizations": [{"to": [{"email": "Ann@x.example", "name": "Ann"}]}],
        "from": {"email": "news@example.com", "name": "Jörg, News"},
        "reply_to": {"email": "help@example.com"},
        "subject": "Grüße",
        "content": [
            {"type": "text/plain", "value": "Hello"},
            {"type": "text/html", "value": "<p>Hello</p>"},
        ],
        "headers": {"List-Unsubscribe": "<https://example.com/u>"},
        "custom_args": {"courierx_send_id": "abc7"},
        "attachments": [
            {
                "filename": "a.pdf",
                "type": "application/pdf",
                "content": "JVBERg==",
                "disposition": "attachment",
            },
            {
                "filename": "l.png",
                "type": "image/png",
                "content": "UE5H",
                "disposition": "inline",
                "content_id": "logo",
            },
        ],
    }


@pytest.mark.parametrize(
    ("status", "kind", "scope"),
    [
        (202, Accepted, None),
        (400, Refused, "message"),
        (413, Refused, "message"),
        (401, Refused, "transport"),
        (403, Refused, "sender"),
        (429, Deferred, "transport"),
        (500, Uncertain, None),
    ],
)
def test_every_answer_has_its_outcome(status: int, kind: type[Receipt], scope: str | None) -> None:
    body = b'{"errors":[{"message":"why","field":null,"help":null}]}'
    with DeafPeer(lambda call: HttpAnswer(status, body)) as peer:
        receipt = sent(make(peer.url))
        assert peer.attempts() == 1
    assert type(receipt) is kind
    assert getattr(receipt, "scope", None) == scope


def test_without_the_key_nothing_is_believed() -> None:
    told = json.loads((RECORDINGS / "many.json").read_text())
    now = datetime.fromisoformat(told["at"])
    request = HttpRequest(
        method="POST",
        path="/",
        query={},
        headers={name.lower(): value for name, value in told["request"]["headers"].items()},
        body=told["request"]["text"].encode(),
    )
    source(Runtime(now=lambda: now)).verify(request)
    for key in ("", "AAAA", ED25519):
        with pytest.raises(Forbidden):
            source(Runtime(now=lambda: now), key).verify(request)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'[{"event":"open"}]', b'[{"timestamp":1e400}]', b"[["])
def test_junk_is_invalid(body: bytes) -> None:
    request = HttpRequest(method="POST", path="/", query={}, headers={}, body=body)
    with pytest.raises(InvalidInput):
        list(source(Runtime()).parse(request))


def test_a_public_key_that_is_no_base64_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="SENDGRID_WEBHOOK_PUBLIC_KEY takes"):
        SendgridConfig(api_key=Secret(KEY), webhook_public_key="-----BEGIN")
