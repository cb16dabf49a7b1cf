"""Our SMTP client against Postfix, OpenSMTPD and Exim: what it hands over is what is delivered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.transport import Accepted, Deferred, Envelope, Receipt, Refused, TransportDown
from courierx_core.testing import FakeEnvelope
from courierx_core.testing.certificates import Certificate
from courierx_smtp.config import SmtpConfig
from courierx_smtp.transport import SmtpTransport
from tests.interop.mailservers import LATER, SIZE_MAX, MailServer
from tests.interop.proxy import Proxy

HEAD = b"Subject: number %d\r\nFrom: a@acme.example\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n"
DOTS = b".\r\n..\r\n.QUIT\r\n\r\n. \r\nMAIL FROM:<x@y.example>\r\nFrom here\r\n.\r\n.\r\n"


def to(id: int, local: str = "", content: bytes = b"") -> FakeEnvelope:
    text = HEAD % id + (content or b"Hello.\r\n")
    address = f"{local or f'person{id}'}@people.example"
    return FakeEnvelope(id, address, mail_from="news@acme.example", content=text)


@contextmanager
def session_to(port: int, query: str = "never", **settings: Any) -> Iterator[Any]:
    url = Secret(f"smtp://localhost:{port}?starttls={query}")
    session = SmtpTransport("smtp", SmtpConfig(url=url, **settings), Runtime()).open()
    try:
        yield session
    finally:
        session.close()


def send(port: int, envelopes: list[Envelope], **settings: Any) -> dict[int, Receipt]:
    with session_to(port, **settings) as session:
        return {receipt.id: receipt for receipt in session.send_many(iter(envelopes))}


def body(delivered: bytes) -> bytes:
    return delivered.partition(b"\n\n")[2]


def test_every_byte_arrives(mta: MailServer) -> None:
    contents = [DOTS, b"x" * 998 + b"\r\n", b"\r\n\r\n.\r\n\r\n", (b"." * 76 + b"\r\n") * 3000]
    envelopes = [to(id, content=content) for id, content in enumerate(contents)]
    receipts = send(mta.port, envelopes, max_concurrency=1)
    assert [type(each) for each in receipts.values()] == [Accepted] * len(contents), (receipts, mta.words())
    delivered = {body(each) for each in mta.kept(len(contents))}
    assert delivered == {content.replace(b"\r\n", b"\n") for content in contents}


def test_many_arrive_once_each_over_several_connections(mta: MailServer) -> None:
    receipts = send(mta.port, [to(id) for id in range(200)], max_concurrency=5)
    assert {type(each) for each in receipts.values()} == {Accepted}
    subjects = [line for mail in mta.kept(200) for line in mail.splitlines() if line.startswith(b"Subject:")]
    assert sorted(subjects) == sorted(b"Subject: number %d" % id for id in range(200))


def test_commands_wait_for_answers_only_where_they_must(mta: MailServer) -> None:
    """RFC 2920; OpenSMTPD does not offer it, and is never sent two commands at once."""
    with Proxy(mta.port) as proxy:
        receipts = send(proxy.port, [to(id) for id in range(20)], max_concurrency=1)
    assert {type(each) for each in receipts.values()} == {Accepted}
    together = [turn for turn in proxy.turns if b"RCPT TO" in turn and turn.count(b"\r\n") > 1]
    if not mta.pipelines:
        assert together == []
        return
    assert len(together) >= 19
    assert any(b"\r\n.\r\nMAIL FROM" in turn for turn in together), "never across messages"


def test_later_is_deferred_and_too_large_refused_and_the_others_arrive(mta: MailServer) -> None:
    large = b"y" * 76 + b"\r\n"
    envelopes = [to(1), to(2, "later"), to(3), to(4, content=large * (SIZE_MAX // len(large) + 1)), to(5)]
    receipts = send(mta.port, envelopes, max_concurrency=1)
    assert [type(receipts[id]) for id in (1, 2, 3, 4, 5)] == [Accepted, Deferred, Accepted, Refused, Accepted]
    later, too_large = receipts[2], receipts[4]
    assert isinstance(later, Deferred)
    assert isinstance(too_large, Refused)
    assert later.scope == "recipient"
    assert LATER in later.reply
    assert later.status == "4.2.1"
    assert too_large.scope == "message"
    assert len(mta.kept(3)) == 3


def test_a_name_beyond_ascii_goes_where_it_may(mta: MailServer) -> None:
    receipts = send(mta.port, [to(1), to(2, "jürgen"), to(3)], max_concurrency=1)
    wanted = Accepted if mta.takes_utf8 else Refused
    assert [type(receipts[id]) for id in (1, 2, 3)] == [Accepted, wanted, Accepted]
    if isinstance(receipts[2], Refused):
        assert receipts[2].status == "5.6.7"
    mta.kept(3 if mta.takes_utf8 else 2)


def test_required_tls_encrypts_or_sends_nothing(mta: MailServer, certificate: Certificate) -> None:
    with session_to(mta.port, "required", ca_file=certificate.authority) as session:
        if mta.encrypts:
            assert isinstance(session.send(to(1)), Accepted)
        else:
            with pytest.raises(TransportDown, match="SSL"):
                session.send(to(1))
    if mta.encrypts:
        (mail,) = mta.kept(1)
        assert re.search(rb"with esmtps", mail, re.IGNORECASE)


def test_a_certificate_that_nobody_vouches_for_sends_nothing(mta: MailServer) -> None:
    with session_to(mta.port, "required") as session, pytest.raises(TransportDown):
        session.send(to(1))
