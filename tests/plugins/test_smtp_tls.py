"""SECURITY S22: a bad certificate, a wrong name, an expired one, a stripped STARTTLS: nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.transport import Accepted, TransportDown
from courierx_core.testing import FakeEnvelope, ServerOptions, SmtpServer, make_certificate
from courierx_core.testing.certificates import Certificate
from courierx_core.testing.dialogue import Tls
from courierx_smtp.config import SmtpConfig
from courierx_smtp.transport import SmtpTransport


def transport_to(server: SmtpServer, starttls: str = "", ca_file: Path | None = None) -> SmtpTransport:
    scheme = "smtp" if starttls else "smtps"
    query = f"?starttls={starttls}" if starttls else ""
    url = f"{scheme}://user:hunter2@127.0.0.1:{server.port}{query}"
    config = SmtpConfig(url=Secret(url), ca_file=ca_file, connect_seconds=20.0)
    return SmtpTransport("smtp", config, Runtime())


def told(server: SmtpServer) -> list[str]:
    """What the server was told, apart from the first greeting and STARTTLS itself."""
    verbs = ("AUTH", "MAIL", "RCPT", "DATA")
    return [line for line in server.transcript() if line.split()[2].upper() in verbs]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("fault", ["unknown authority", "wrong name", "expired"])
def test_a_bad_certificate_sends_nothing(tls: Tls, fault: str, tmp_path: Path) -> None:
    names = ["mail.example.org"] if fault == "wrong name" else ["localhost", "127.0.0.1"]
    certificate = make_certificate(tmp_path / "tls", names, expired=fault == "expired")
    ca_file = None if fault == "unknown authority" else certificate.authority
    options = ServerOptions(tls=tls, user="user", password="hunter2")
    with SmtpServer(options, certificate=certificate, thread=True, transcript=True) as server:
        transport = transport_to(server, "required" if tls == "starttls" else "", ca_file)
        session = transport.open()
        with pytest.raises(TransportDown, match="certificate"):
            session.send(FakeEnvelope(1))
        session.close()
        assert told(server) == []
        assert server.received() == []


@pytest.mark.parametrize("starttls", ["required", "opportunistic"])
def test_a_stripped_starttls_sends_nothing(starttls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opportunistic may send mail in the clear, but never a password to a host that is not this machine."""
    monkeypatch.setattr("courierx_smtp.connect.is_loopback", lambda host: False)
    options = ServerOptions(user="user", password="hunter2")
    with SmtpServer(options, thread=True, transcript=True) as server:
        session = transport_to(server, starttls).open()
        with pytest.raises(TransportDown, match="STARTTLS"):
            session.send(FakeEnvelope(1))
        session.close()
        assert told(server) == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_good_certificate_sends_everything_encrypted(tls: Tls) -> None:
    options = ServerOptions(tls=tls, user="user", password="hunter2")
    with SmtpServer(options, thread=True, transcript=True) as server:
        assert server.certificate
        starttls = "required" if tls == "starttls" else ""
        transport = transport_to(server, starttls, server.certificate.authority)
        session = transport.open()
        receipts = list(session.send_many(iter(FakeEnvelope.some(200))))
        session.close()
        assert sum(isinstance(receipt, Accepted) for receipt in receipts) == 200
        assert len(server.received()) == 200
        assert all(line.split()[1] == "tls" for line in told(server))


def test_a_certificate_that_expires_in_mid_run_sends_nothing_until_it_is_renewed(tmp_path: Path) -> None:
    good = make_certificate(tmp_path / "good")
    expired = make_certificate(tmp_path / "expired", expired=True)
    trusted = tmp_path / "authorities.pem"
    trusted.write_bytes(good.authority.read_bytes() + expired.authority.read_bytes())
    options = ServerOptions(tls="starttls", user="user", password="hunter2")
    with SmtpServer(options, certificate=good, thread=True, transcript=True) as server:
        session = transport_to(server, "required", trusted).open()
        assert isinstance(session.send(FakeEnvelope(1)), Accepted)
        before = told(server)
        restart(server, expired)
        with pytest.raises(TransportDown, match="expired"):
            list(session.send_many(iter(FakeEnvelope.some(5, first=2))))
        assert told(server) == before
        restart(server, good)
        receipts = list(session.send_many(iter(FakeEnvelope.some(5, first=2))))
        session.close()
        assert [type(receipt) for receipt in receipts] == [Accepted] * 5
        assert len(server.received()) == 6


def restart(server: SmtpServer, certificate: Certificate) -> None:
    server.stop()
    server.certificate = certificate
    server.start()


def test_large_messages_cross_tls_whole() -> None:
    content = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 50_000
    with SmtpServer(ServerOptions(tls="implicit", keep="digest"), thread=True) as server:
        assert server.certificate
        url = Secret(f"smtps://127.0.0.1:{server.port}")
        config = SmtpConfig(url=url, ca_file=server.certificate.authority, max_concurrency=3)
        session = SmtpTransport("smtp", config, Runtime()).open()
        envelopes = [FakeEnvelope(id, content=content) for id in range(1, 7)]
        receipts = list(session.send_many(iter(envelopes)))
        session.close()
        received = server.received()
    assert [type(receipt) for receipt in receipts] == [Accepted] * 6
    assert {message.size for message in received} == {len(content)}
    assert len({message.digest for message in received}) == 1


def test_what_was_injected_before_the_handshake_is_forgotten() -> None:
    """A reply slipped in behind the 220 in plain text must not answer the EHLO under TLS."""

    def script(stage: str, sender: str, recipient: str, count: int) -> str:
        return "220 2.0.0 go ahead\r\n250 SIZE 1" if stage == "starttls" else ""

    with SmtpServer(ServerOptions(tls="starttls"), script=script, transcript=True) as server:
        assert server.certificate
        url = Secret(f"smtp://127.0.0.1:{server.port}?starttls=required")
        config = SmtpConfig(url=url, ca_file=server.certificate.authority)
        session = SmtpTransport("smtp", config, Runtime()).open()
        receipt = session.send(FakeEnvelope(1))
        session.close()
        assert isinstance(receipt, Accepted)
        assert receipt.reply.startswith("250 2.0.0")
        assert [line.split()[1] for line in told(server)] == ["tls"] * 3


def test_check_says_what_is_wrong_and_never_the_password() -> None:
    with SmtpServer(ServerOptions(user="user", password="other"), thread=True) as server:
        problems = transport_to(server, "never").check()
        assert [problem.code for problem in problems] == ["smtp_unusable"]
        assert "535" in problems[0].text
        assert "hunter2" not in repr(problems)
    with SmtpServer(ServerOptions(pipelining=False, user="user", password="hunter2"), thread=True) as server:
        assert [problem.code for problem in transport_to(server, "never").check()] == ["smtp_lock_step"]
