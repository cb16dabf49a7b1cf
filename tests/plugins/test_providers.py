"""What the providers share: kept connections, many requests at once, and no doubt where none is due."""

from __future__ import annotations

import ssl
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from msgspec.structs import replace

from courierx_core import Accepted, Deferred, Refused, Runtime, Secret, Session, Uncertain
from courierx_core.plugins import FEEDBACK, TRANSPORTS
from courierx_core.testing import FakeEnvelope, HttpPeer
from courierx_core.testing.certificates import make_certificate
from courierx_core.testing.http import HttpAnswer, HttpCall
from courierx_providers.postmark import PostmarkConfig, PostmarkTransport

PROVIDERS = ("mailgun", "postmark", "resend", "sendgrid")


def session(url: str, **settings: object) -> Session:
    config = PostmarkConfig(url=url, server_token=Secret("t"), **settings)  # type: ignore[arg-type]
    return PostmarkTransport("postmark", config, Runtime()).open()


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_a_transport_and_a_source_of_one_name_and_one_config(name: str) -> None:
    assert TRANSPORTS.load(name).Config is FEEDBACK.load(name).Config


def test_a_connection_is_kept_and_opened_again_when_the_provider_has_closed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[HTTPConnection] = []
    connect = HTTPConnection.connect

    def counted(self: HTTPConnection) -> None:
        opened.append(self)
        connect(self)

    monkeypatch.setattr(HTTPConnection, "connect", counted)
    with HttpPeer() as peer:
        open_ = session(peer.url, max_concurrency=1)
        assert all(isinstance(open_.send(FakeEnvelope(number)), Accepted) for number in range(5))
        assert len(opened) == 1
        peer.behave("drop_after")
        assert isinstance(open_.send(FakeEnvelope(6)), Uncertain)
        peer.behave("accept")
        assert isinstance(open_.send(FakeEnvelope(7)), Accepted)
        assert (len(opened), peer.attempts()) == (2, 7)
        open_.close()


def test_a_kept_connection_that_has_ended_costs_no_doubt() -> None:
    def once(call: HttpCall) -> HttpAnswer:
        return HttpAnswer(200, b"{}", (("Connection", "close"),))

    with HttpPeer(once) as peer:
        open_ = session(peer.url, max_concurrency=1)
        assert all(isinstance(open_.send(FakeEnvelope(number)), Accepted) for number in range(3))
        open_.close()


def test_so_many_requests_as_allowed_are_in_flight_at_once() -> None:
    together = threading.Barrier(5)

    def answer(call: HttpCall) -> HttpAnswer:
        together.wait(10)  # breaks, and the connection with it, when fewer come
        return HttpAnswer(200)

    with HttpPeer(answer) as peer:
        open_ = session(peer.url, max_concurrency=5)
        receipts = list(open_.send_many(iter(FakeEnvelope.some(20))))
        open_.close()
    assert [type(receipt) for receipt in receipts] == [Accepted] * 20


def test_a_provider_that_hangs_leaves_the_message_uncertain() -> None:
    with HttpPeer() as peer:
        peer.behave("hang")
        with closing(session(peer.url, answer_seconds=0.2)) as open_:
            assert isinstance(open_.send(FakeEnvelope(1)), Uncertain)
        assert peer.attempts() == 1


@pytest.mark.parametrize(("status", "kind"), [(500, Uncertain), (502, Uncertain), (503, Uncertain)])
def test_a_5xx_that_does_not_say_later_says_nothing(status: int, kind: type) -> None:
    with HttpPeer(lambda call: HttpAnswer(status)) as peer, closing(session(peer.url)) as open_:
        assert type(open_.send(FakeEnvelope(1))) is kind


def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain, made.key)
    with HttpPeer() as peer:
        server = peer._server
        assert server is not None
        server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        with closing(session(peer.url.replace("http:", "https:"))) as open_:
            receipt = open_.send(FakeEnvelope(1))
        assert peer.attempts() == 0
    assert isinstance(receipt, Deferred)
    assert receipt.scope == "transport"
    assert "CERTIFICATE_VERIFY_FAILED" in receipt.reply


def test_what_the_provider_cannot_carry_is_refused_without_asking_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpPeer() as peer, closing(session(peer.url)) as open_:
        name = open_.send(FakeEnvelope(1, "jörg@x.example"))
        monkeypatch.setattr(PostmarkTransport, "traits", replace(PostmarkTransport.traits, max_bytes=100))
        size = open_.send(FakeEnvelope(2))
        assert peer.attempts() == 0
    assert isinstance(name, Refused)
    assert (name.scope, name.status) == ("recipient", "5.6.7")
    assert isinstance(size, Refused)
    assert (size.scope, size.status) == ("message", "5.3.4")


@pytest.mark.parametrize("url", ["api.example.com", "ftp://api.example.com", "https://me:pw@api.example.com"])
def test_an_address_that_is_none_is_refused_at_start(url: str) -> None:
    with pytest.raises(ValueError, match="takes an address such as") as problem:
        session(url)
    assert "pw" not in str(problem.value)


@pytest.mark.parametrize("token", ["", "hunter2\n", "hünter2"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="POSTMARK_SERVER_TOKEN takes a key") as problem:
        PostmarkConfig(server_token=Secret(token))
    assert "nter2" not in str(problem.value)
