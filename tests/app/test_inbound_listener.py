"""The SMTP listener of return paths: who gets a 250, who a 550, who a 451; limits, and any bytes at all."""

from __future__ import annotations

import random
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from courierx_app.cli.root import cli
from courierx_app.cli.run import run
from courierx_app.inbound.conversation import Limits
from courierx_app.inbound.intake import Intake
from courierx_app.inbound.listener import Listener, Room, tls_of
from courierx_app.listening import bind
from courierx_app.settings import Settings
from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.errors import ConfigError, StoreError
from courierx_core.mail.incoming import RAW_MAX
from courierx_core.testing.certificates import make_certificate
from courierx_core.testing.store_samples import new_message

BOUNCE = (
    "From: postmaster@x.example\r\nSubject: failure notice\r\n\r\n<ann@x.example>:\r\n550 user unknown\r\n"
)


class Served:
    """A listener in a thread, and clients of it."""

    def __init__(self, courier: Courier, **options: Any) -> None:
        self.intake = Intake(courier, ["fbl@bounce.example.com"])
        sock = bind("127.0.0.1", 0)
        self.port: int = sock.getsockname()[1]
        self.stop = threading.Event()
        listener = Listener(sock, self.intake, name="bounce.example.com", **options)
        self.thread = threading.Thread(target=listener.serve, args=(self.stop,))
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join()

    def smtp(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, timeout=20)

    def raw(self, octets: bytes) -> bytes:
        """Send octets and the end of them; return everything that was answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
            sock.sendall(octets)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.fixture
def serve(courier: Courier) -> Iterator[Callable[..., Served]]:
    with ExitStack() as stack:

        def served(**options: Any) -> Served:
            made = Served(courier, **options)
            stack.callback(made.end)
            return made

        yield served


@pytest.fixture
def delivery(courier: Courier, tenant_id: int) -> Delivery:
    with courier.store.begin(tenant_id) as unit:
        return unit.deliveries.add(new_message(unit), ["ann@x.example"])[0]


@pytest.fixture
def to(courier: Courier, delivery: Delivery) -> str:
    return f"b-{courier.tokens.mint('verp', delivery.tenant_id, delivery.id)}@bounce.example.com"


def state_of(courier: Courier, delivery: Delivery) -> str:
    with courier.store.begin(delivery.tenant_id) as unit:
        return unit.deliveries.get(delivery.id).state


def replies(octets: bytes) -> list[str]:
    return [line[:3].decode() for line in octets.splitlines() if line[3:4] != b"-"]


def test_a_bounce_is_stored_before_its_250(
    courier: Courier, delivery: Delivery, to: str, serve: Callable[..., Served]
) -> None:
    served = serve()
    with served.smtp() as smtp:
        assert smtp.sendmail("", [to], BOUNCE) == {}
        assert state_of(courier, delivery) == "bounced"
        smtp.sendmail("", [to.upper()], BOUNCE)
    assert served.intake.counts() == {"recorded": 1, "repeated": 1}


def test_only_addresses_that_are_ours_are_taken(
    courier: Courier, delivery: Delivery, to: str, serve: Callable[..., Served]
) -> None:
    token = courier.tokens.mint("send", delivery.tenant_id, delivery.id)
    others = [
        "someone@example.com",
        f"b-{token}@bounce.example.com",  # of another kind
        to.replace(to[-24], "a" if to[-24] != "a" else "b"),
        f"b-{courier.tokens.mint('verp', delivery.tenant_id, delivery.id + 1000)}@bounce.example.com",
    ]
    served = serve()
    with served.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("")
        assert [smtp.rcpt(each)[0] for each in others] == [550] * 4
        assert smtp.docmd("DATA")[0] == 503
        assert smtp.rcpt("FBL@bounce.example.com")[0] == 250
        assert smtp.data(b"Subject: hello\r\n\r\nworld\r\n")[0] == 250
    assert served.intake.counts() == {"unknown_address": 4, "not_a_report": 1}
    assert state_of(courier, delivery) == "queued"


def test_a_mail_to_its_list_unsubscribe_is_taken_and_a_forged_one_is_not(
    courier: Courier, delivery: Delivery, to: str, serve: Callable[..., Served]
) -> None:
    token = courier.tokens.mint("unsubscribe", delivery.tenant_id, delivery.id)
    served = serve()
    with served.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("ann@elsewhere.example")
        assert smtp.rcpt(f"u{to[1:]}")[0] == 550  # its return path's token
        assert smtp.rcpt(f"u-{token}@bounce.example.com")[0] == 250
        assert smtp.data(b"Subject: unsubscribe\r\n\r\n")[0] == 250
    assert served.intake.counts() == {"unknown_address": 1, "recorded": 1}
    with courier.store.begin(delivery.tenant_id) as unit:
        (barred,) = unit.suppressions.list(address=delivery.address)
    assert barred.cause == "unsubscribe"


def test_while_the_store_is_away_the_sender_is_asked_to_come_again(
    courier: Courier, delivery: Delivery, to: str, serve: Callable[..., Served], monkeypatch: Any
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    served = serve()
    with served.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("")
        assert smtp.rcpt(to)[0] == 250
        with monkeypatch.context() as patch:
            patch.setattr(courier.store, "begin", away)
            assert smtp.data(BOUNCE)[0] == 451
            patch.setattr(courier.store, "platform", away)
            smtp.mail("")
            assert smtp.rcpt(to)[0] == 451
        smtp.rset()
        smtp.sendmail("", [to], BOUNCE)
    assert state_of(courier, delivery) == "bounced"
    assert served.intake.counts() == {"store_unavailable": 1, "recorded": 1}


def test_a_pipelined_conversation(courier: Courier, to: str, serve: Callable[..., Served]) -> None:
    mail = f"MAIL FROM:<> SIZE=200 BODY=8BITMIME\r\nRCPT TO:<{to}>\r\nDATA\r\n{BOUNCE}.\r\n"
    served = serve()
    answered = served.raw(f"EHLO mx\r\n{mail}{mail}NOOP\r\nVRFY x\r\nQUIT\r\nNOOP\r\n".encode())
    assert replies(answered) == [
        "220", "250", "250", "250", "354", "250", "250", "250", "354", "250", "250", "252", "221",
    ]  # fmt: skip
    assert served.intake.counts() == {"recorded": 1, "repeated": 1}


def test_commands_out_of_order_and_out_of_form(to: str, serve: Callable[..., Served]) -> None:
    said = (
        b"MAIL FROM:<>\r\nEHLO\r\nHELO mx\r\nRCPT TO:<a@b>\r\nDATA\r\nMAIL TO:<>\r\nMAIL FROM:<a\r\n"
        b"MAIL FROM:<> SIZE=99999999999\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nRCPT TO: <@relay.example:a@b>\r\n"
        b"RCPT a@b\r\nSTARTTLS\r\nEXPN x\r\nno\nno\r\nNOOP " + b"x" * 3000 + b"\r\n\xff\0\r\nQUIT\r\n"
    )
    assert replies(serve().raw(said)) == [
        "220", "503", "501", "250", "503", "503", "501", "501", "552", "250", "503", "550", "501", "503",
        "500", "500", "500", "500", "500", "221",
    ]  # fmt: skip


@pytest.mark.parametrize("smuggled", ["\n.\r\n", "\r\n.\n", "\n.\n", "\r.\r", "\r\n..\r\n", "\r\n.\r\r\n"])
def test_only_a_true_dot_ends_a_mail(to: str, serve: Callable[..., Served], smuggled: str) -> None:
    served = serve()
    inner = f"{smuggled}MAIL FROM:<>\r\nRCPT TO:<{to}>\r\nDATA\r\nx\r\n"
    answered = served.raw(
        f"EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<{to}>\r\nDATA\r\n{BOUNCE}{inner}.\r\nQUIT\r\n".encode()
    )
    assert replies(answered) == ["220", "250", "250", "250", "354", "250", "221"]
    assert sum(served.intake.counts().values()) == 1


def test_an_empty_mail_and_a_stuffed_dot(to: str, serve: Callable[..., Served]) -> None:
    start = f"EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<{to}>\r\nDATA\r\n"
    assert replies(serve().raw(f"{start}.\r\nQUIT\r\n".encode()))[-2:] == ["250", "221"]
    assert replies(serve().raw(f"{start}..\r\n.\r\nQUIT\r\n".encode()))[-2:] == ["250", "221"]


def test_a_large_mail_is_read_to_its_end_and_a_larger_one_is_not_taken(
    courier: Courier, delivery: Delivery, to: str, serve: Callable[..., Served]
) -> None:
    served = serve(limits=Limits(size=3 * RAW_MAX))
    start = f"EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode()
    large = BOUNCE.encode() + (b"x" * 998 + b"\r\n") * (2 * RAW_MAX // 1000)
    assert replies(served.raw(start + large + b".\r\nQUIT\r\n"))[-2:] == ["250", "221"]
    assert state_of(courier, delivery) == "bounced"
    assert replies(served.raw(start + large * 2 + b".\r\nQUIT\r\n"))[-2:] == ["552", "221"]
    with served.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("")
        smtp.rcpt(to)
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            smtp.data(large * 7)
    assert served.intake.counts() == {"recorded": 1, "too_big": 1}


def test_limits_of_commands_mistakes_and_recipients(to: str, serve: Callable[..., Served]) -> None:
    served = serve(limits=Limits(commands=30, refusals=5, recipients=2))
    assert replies(served.raw(b"NOOP\r\n" * 40))[-2:] == ["250", "421"]
    assert replies(served.raw(b"JUNK\r\n" * 40)) == ["220", *["500"] * 5, "421"]
    rcpt = f"RCPT TO:<{to}>\r\n" * 3
    assert replies(served.raw(f"EHLO mx\r\nMAIL FROM:<>\r\n{rcpt}".encode()))[-3:] == ["250", "250", "452"]


def test_limits_of_connections_and_time(serve: Callable[..., Served]) -> None:
    served = serve(room=Room(connections=3, from_one=2), limits=Limits(idle=0.2))
    with served.smtp(), served.smtp():
        with pytest.raises(smtplib.SMTPConnectError) as turned_away:
            served.smtp()
        assert turned_away.value.smtp_code == 421
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as silent:
        assert b"".join(iter(lambda: silent.recv(99), b"")).startswith(b"220 ")  # and then the end
    assert served.intake.counts() == {"too_many_connections": 1}


def test_starttls_forgets_what_came_before_it(to: str, serve: Callable[..., Served], tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    files = {"inbound_tls_chain": str(certificate.chain), "inbound_tls_key": str(certificate.key)}
    served = serve(tls=tls_of(Settings(**files)))
    client = ssl.create_default_context(cafile=str(certificate.authority))
    client.check_hostname = False
    with served.smtp() as smtp:
        smtp.ehlo()
        assert smtp.has_extn("starttls")
        smtp.starttls(context=client)
        assert smtp.mail("")[0] == 503
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        smtp.sendmail("", [to], BOUNCE)
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as sock:
        sock.sendall(b"EHLO mx\r\nSTARTTLS\r\nNOOP injected\r\n")
        with pytest.raises(OSError, match=r".*"):  # a handshake is what it waits for
            client.wrap_socket(sock, server_hostname="x").do_handshake()
    for name in files:
        with pytest.raises(ConfigError, match="COURIERX_INBOUND_TLS"):
            tls_of(Settings(**{name: files[name]}))
    with pytest.raises(ConfigError, match="No such file"):
        tls_of(Settings(inbound_tls_chain="/none", inbound_tls_key="/none"))


def test_it_stops_at_once_and_hangs_up_on_who_is_silent(serve: Callable[..., Served]) -> None:
    served = serve()
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as silent:
        assert silent.recv(99).startswith(b"220 ")
        served.end()
        assert silent.recv(99) == b""


def test_any_bytes_leave_it_serving(to: str, delivery: Delivery, serve: Callable[..., Served]) -> None:
    served = serve()
    pieces = [
        b"EHLO mx\r\n", b"MAIL FROM:<>\r\n", f"RCPT TO:<{to}>\r\n".encode(), b"DATA\r\n", b".\r\n",
        b"\r\n", b"\n", b"\0", b"\xff\xfe", b"RSET\r\n", b"STARTTLS\r\n", b"<" * 600, b"QUIT",
    ]  # fmt: skip
    seeded = random.Random(7)
    for _ in range(60):
        said = b"".join(seeded.choice(pieces) for _ in range(seeded.randrange(20)))
        assert served.raw(said).startswith(b"220 ")
    with served.smtp() as smtp:
        smtp.sendmail("", [to], BOUNCE)


@pytest.mark.usefixtures("here")
def test_a_taken_port_is_a_clear_line(capsys: Any) -> None:
    with bind("127.0.0.1", 0) as taken:
        assert run(cli, ["inbound", "--port", str(taken.getsockname()[1])]) == 1
    assert "in use" in capsys.readouterr().err
