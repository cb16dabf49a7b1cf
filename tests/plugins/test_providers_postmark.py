"""Postmark: the request is the documented one, every answer has its outcome, and its word is believed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
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
from courierx_core.testing.http import HttpAnswer, HttpCall
from courierx_providers.postmark import PostmarkConfig, PostmarkTransport
from courierx_providers.postmark_feedback import PostmarkFeedback
from tests.plugins.http_fake import DeafPeer
from tests.plugins.provider_samples import Whole, sent

TOKEN = "postmark-token-4711"
TAKEN = b'{"To":"ann@x.example","MessageID":"0a129aee-e1cd","ErrorCode":0,"Message":"OK"}'


def make(url: str, **settings: object) -> PostmarkTransport:
    config = PostmarkConfig(url=url, server_token=Secret(TOKEN), **settings)  # type: ignore[arg-type]
    return PostmarkTransport("postmark", config, Runtime())


@pytest.fixture
def peer() -> Iterator[DeafPeer]:
    with DeafPeer(lambda call: HttpAnswer(200, TAKEN)) as peer:
        yield peer


def send(url: str, envelope: FakeEnvelope | None = None, **settings: object) -> Receipt:
    return sent(make(url, **settings), envelope)


class TestPostmark(TransportContract):
    secret = TOKEN

    def transport(self, peer: DeafPeer) -> PostmarkTransport:  # type: ignore[override]
        return make(peer.url)


class TestPostmarkFeedback(FeedbackContract):
    recordings = Path(__file__).parent / "recordings" / "postmark"
    stale_after: ClassVar[timedelta | None] = None
    signed = False

    def source(self, runtime: Runtime) -> PostmarkFeedback:
        return source(runtime)


def source(runtime: Runtime, password: str = "open sesame") -> PostmarkFeedback:
    config = PostmarkConfig(server_token=Secret(TOKEN), webhook_password=Secret(password))
    return PostmarkFeedback("postmark", config, runtime)


def test_the_request_is_the_documented_one(peer: DeafPeer) -> None:
    receipt = send(peer.url, Whole(7, "ann@x.example", send_id="abc7"))
    assert receipt == Accepted(7, "0a129aee-e1cd", f"200 {TAKEN.decode()}")
    (call,) = peer.calls
    assert (call.method, call.path, call.headers["x-postmark-server-token"]) == ("POST", "/email", TOKEN)
    assert json.loads(call.body) == {
        "From": '"Jörg, News" <news@example.com>',
        "To": '"Ann" <Ann@x.example>',
        "ReplyTo": "help@example.com",
        "Subject": "Grüße",
        "HtmlBody": "<p>Hello</p>",
        "TextBody": "Hello",
        "Headers": [{"Name": "List-Unsubscribe", "Value": "<https://example.com/u>"}],
        "Metadata": {"courierx_send_id": "abc7"},
        "MessageStream": "broadcast",
        "Attachments": [
            {
                "Name": "a.pdf",
                "ContentType": "application/pdf",
                "Content": base64.b64encode(b"%PDF").decode(),
            },
            {"Name": "l.png", "ContentType": "image/png", "Content": "UE5H", "ContentID": "cid:logo"},
        ],
    }


def test_a_stream_of_ours_goes_over_one_of_theirs(peer: DeafPeer) -> None:
    send(peer.url, FakeEnvelope(1, stream="transactional"))
    send(peer.url, FakeEnvelope(2), broadcast_stream="news")
    assert [json.loads(call.body)["MessageStream"] for call in peer.calls] == ["outbound", "news"]


def test_a_recipient_whom_to_does_not_name_is_the_only_one_it_is_sent_to(peer: DeafPeer) -> None:
    send(peer.url, Whole(7, "hidden@x.example"))
    assert json.loads(peer.calls[0].body)["To"] == "hidden@x.example"


@pytest.mark.parametrize(
    ("status", "code", "kind", "scope"),
    [
        (200, 0, Accepted, None),
        (422, 406, Refused, "recipient"),
        (422, 400, Refused, "sender"),
        (422, 401, Refused, "sender"),
        (422, 405, Refused, "transport"),
        (422, 412, Refused, "transport"),
        (422, 1235, Refused, "transport"),
        (422, 300, Refused, "message"),
        (413, 0, Refused, "message"),
        (401, 10, Refused, "transport"),
        (404, 0, Refused, "transport"),
        (429, 0, Deferred, "transport"),
        (503, 0, Deferred, "transport"),
        (302, 0, Uncertain, None),
    ],
)
def test_every_answer_has_its_outcome(status: int, code: int, kind: type[Receipt], scope: str | None) -> None:
    def answer(call: HttpCall) -> HttpAnswer:
        return HttpAnswer(status, b'{"ErrorCode":%d,"Message":"why"}' % code, (("Retry-After", "17"),))

    with DeafPeer(answer) as peer:
        receipt = send(peer.url)
        assert peer.attempts() == 1, "no request is made twice"
    assert type(receipt) is kind
    assert getattr(receipt, "scope", None) == scope
    assert getattr(receipt, "retry_after", None) == (17.0 if kind is Deferred else None)


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !", "Bearer b3BlbiBzZXNhbWU=", "Basic b3BlbiBzZXNhbWU="]
)
def test_without_the_password_nothing_is_believed(header: str) -> None:
    request = HttpRequest(method="POST", path="/", query={}, headers={"authorization": header}, body=b"{}")
    with pytest.raises(Forbidden):
        source(Runtime()).verify(request)
    with pytest.raises(Forbidden):
        source(Runtime(), password="").verify(request)
