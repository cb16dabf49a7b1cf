"""The HTTP peer and the feedback contract, tried on a small source of their own."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from courierx_core.errors import Forbidden, InvalidInput
from courierx_core.ports.driver import Config, Runtime
from courierx_core.ports.feedback import Feedback, FeedbackSource, HttpRequest
from courierx_core.testing import FeedbackContract, HttpPeer
from courierx_core.testing.http import HttpAnswer, HttpMode

KEY = b"whsec"
AT = "2026-01-31T12:00:00+00:00"


def ask(peer: HttpPeer, body: bytes = b"hello") -> http.client.HTTPResponse:
    address = urlsplit(peer.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    try:
        connection.request("POST", "/send?x=1", body, {"X-Key": "k"})
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


@pytest.mark.parametrize(("mode", "status"), [("accept", 202), ("defer", 429), ("refuse", 400)])
def test_the_peer_answers_and_counts(mode: HttpMode, status: int) -> None:
    with HttpPeer(lambda call: HttpAnswer(202, b"{}")) as peer:
        peer.behave(mode)
        assert ask(peer).status == status
        [call] = peer.calls
        assert (call.method, call.path, call.body, call.headers["x-key"]) == (
            "POST",
            "/send?x=1",
            b"hello",
            "k",
        )


@pytest.mark.parametrize(("mode", "attempts"), [("drop_before", 0), ("drop_after", 1)])
def test_the_peer_drops_before_or_after_it_counts(mode: HttpMode, attempts: int) -> None:
    with HttpPeer() as peer:
        peer.behave(mode)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(peer)
        assert peer.attempts() == attempts


class ToySource(FeedbackSource[Config]):
    """Signed JSON with a time: `signature` is an HMAC over the body."""

    def verify(self, request: HttpRequest) -> None:
        wanted = hmac.new(KEY, request.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, request.headers.get("signature", "")):
            raise Forbidden("the signature does not verify")
        at = datetime.fromisoformat(json.loads(request.body)["at"])
        if self.runtime.now() - at > timedelta(hours=1):
            raise Forbidden("the request is stale")

    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        try:
            found = msgspec.json.decode(request.body, type=dict[str, str])
            return [Feedback(kind="bounced", at=datetime.fromisoformat(found["at"]), recipient=found["to"])]
        except (msgspec.MsgspecError, KeyError, ValueError):
            raise InvalidInput.of("body", "invalid", "the body is not a toy event") from None


class TestToySource(FeedbackContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _record(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.recordings = tmp_path_factory.mktemp("recordings")
        text = json.dumps({"at": AT, "to": "a@b.example"})
        signature = hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()
        recording = {
            "request": {"headers": {"Signature": signature}, "text": text},
            "at": AT,
            "feedback": [{"kind": "bounced", "recipient": "a@b.example"}],
        }
        (cls.recordings / "bounce.json").write_text(json.dumps(recording))

    def source(self, runtime: Runtime) -> FeedbackSource[Any]:
        return ToySource("toy", Config(), runtime)


class Gullible(ToySource):
    def verify(self, request: HttpRequest) -> None:
        """Believe anything."""


def test_the_contract_finds_a_source_that_believes_anything(tmp_path: Path) -> None:
    class Suite(TestToySource):
        def source(self, runtime: Runtime) -> FeedbackSource[Any]:
            return Gullible("toy", Config(), runtime)

    recording = {"request": {"text": json.dumps({"at": AT, "to": "a@b"})}, "at": AT, "feedback": [{}]}
    (tmp_path / "one.json").write_text(json.dumps(recording))
    suite = Suite()
    suite.recordings = tmp_path  # type: ignore[misc]
    for check in (suite.test_a_tampered_body_is_forbidden, suite.test_no_headers_and_no_body_are_forbidden):
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            check()
