"""The transport keeps the contract, and every answer of Pigeon Post has its outcome."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from courierx_pigeon.config import PigeonConfig
from courierx_pigeon.transport import PigeonTransport

from courierx_core import Accepted, Deferred, Receipt, Refused, Runtime, Secret, TransportDown, Uncertain
from courierx_core.plugins import TRANSPORTS
from courierx_core.testing import FakeEnvelope, HttpPeer, TransportContract
from courierx_core.testing.http import HttpAnswer, HttpCall

TOKEN = "fly-home-4711"


def make(url: str, seconds: float = 5.0) -> PigeonTransport:
    return PigeonTransport("pigeon", PigeonConfig(url=url, token=Secret(TOKEN), seconds=seconds), Runtime())


def send(transport: PigeonTransport, envelope: FakeEnvelope | None = None) -> Receipt:
    session = transport.open()
    try:
        return session.send(envelope or FakeEnvelope(7))
    finally:
        session.close()


class TestPigeon(TransportContract):
    secret = TOKEN

    @pytest.fixture
    def peer(self) -> Iterator[HttpPeer]:
        with HttpPeer(lambda call: HttpAnswer(202, b'{"id": "letter-1"}')) as peer:
            yield peer

    def transport(self, peer: HttpPeer) -> PigeonTransport:  # type: ignore[override]
        return make(peer.url)


def test_the_entry_point_is_found_by_its_name() -> None:
    assert TRANSPORTS.load("pigeon") is PigeonTransport


def test_a_letter_holds_everything_and_the_token() -> None:
    with HttpPeer(lambda call: HttpAnswer(202, b'{"id": "letter-9"}')) as peer:
        envelope = FakeEnvelope(7, "ann@x.example", send_id="s7", tags=("news",), metadata={"order": "1"})
        receipt = send(make(peer.url), envelope)
    assert receipt == Accepted(7, provider_id="letter-9", reply='202 {"id": "letter-9"}')
    (call,) = peer.calls
    assert (call.method, call.path, call.headers["authorization"]) == ("POST", "/letters", f"Bearer {TOKEN}")
    letter = json.loads(call.body)
    assert letter["reference"] == "s7"
    assert letter["to"] == "ann@x.example"
    assert letter["tags"] == ["news"]
    assert letter["metadata"] == {"order": "1"}
    assert letter["subject"] == envelope.fields().subject


@pytest.mark.parametrize(
    ("status", "kind", "scope"),
    [
        (200, Accepted, None),
        (202, Accepted, None),
        (429, Deferred, "transport"),
        (503, Deferred, "transport"),
        (404, Refused, "recipient"),
        (410, Refused, "recipient"),
        (401, Refused, "transport"),
        (403, Refused, "transport"),
        (400, Refused, "message"),
        (422, Refused, "message"),
        (500, Uncertain, None),
        (502, Uncertain, None),
        (302, Uncertain, None),
    ],
)
def test_every_answer_has_its_outcome(status: int, kind: type[Receipt], scope: str | None) -> None:
    def answer(call: HttpCall) -> HttpAnswer:
        return HttpAnswer(status, b"words", (("Retry-After", "17"),))

    with HttpPeer(answer) as peer:
        receipt = send(make(peer.url))
        assert peer.attempts() == 1
    assert type(receipt) is kind
    assert getattr(receipt, "scope", None) == scope
    assert getattr(receipt, "retry_after", None) == (17.0 if kind is Deferred else None)


def test_an_accepted_letter_without_an_id_is_still_accepted() -> None:
    for body in (b"", b"{}", b"[]", b"not json"):
        with HttpPeer(lambda call, body=body: HttpAnswer(200, body)) as peer:  # type: ignore[misc]
            assert isinstance(send(make(peer.url)), Accepted)


def test_the_connection_is_kept_and_opened_again_when_the_far_side_has_closed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[object] = []
    connect = HTTPConnection.connect

    def counted(self: HTTPConnection) -> None:
        opened.append(self)
        connect(self)

    monkeypatch.setattr(HTTPConnection, "connect", counted)
    with HttpPeer() as peer:
        session = make(peer.url).open()
        assert all(isinstance(session.send(FakeEnvelope(number)), Accepted) for number in range(5))
        assert len(opened) == 1
        session._post._connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
        assert isinstance(session.send(FakeEnvelope(9)), Accepted)
        assert (len(opened), peer.attempts()) == (2, 6)
        session.close()


def test_a_far_side_that_hangs_leaves_the_letter_uncertain() -> None:
    with HttpPeer() as peer:
        peer.behave("hang")
        receipt = send(make(peer.url, seconds=0.3))
        assert isinstance(receipt, Uncertain)
        assert peer.attempts() == 1


def test_nobody_listening_is_transport_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(TransportDown):
            send(make(f"http://127.0.0.1:{port}"))


def test_a_wrong_address_is_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="takes an address such as"):
        PigeonConfig(url="pigeon.example", token=Secret(TOKEN))
