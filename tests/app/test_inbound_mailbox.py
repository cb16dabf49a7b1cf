"""The mailbox that bounces arrive in, on a real IMAP server: nothing is deleted before it is stored."""

from __future__ import annotations

import contextlib
import imaplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from courierx_app.cli.root import cli
from courierx_app.inbound import mailbox as module
from courierx_app.inbound.intake import Intake
from courierx_app.inbound.mailbox import Mailbox, MailboxError, parse_url
from courierx_app.listening import bind
from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.errors import ConfigError, StoreError
from courierx_core.ports.driver import Secret
from courierx_core.testing.certificates import Certificate, make_certificate
from courierx_core.testing.store_samples import new_message


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def port(certificate: Certificate) -> Iterator[int]:
    """A server with one empty account that offers STARTTLS."""
    with bind("127.0.0.1", 0) as free:
        number: int = free.getsockname()[1]
    command = [
        "-c",
        "from pymap.main import main; main()",
        "--host",
        "127.0.0.1",
        "--port",
        str(number),
        "--no-service",
        "admin",
    ]
    command += ["--cert", str(certificate.chain), "--key", str(certificate.key), "dict"]
    command += ["--demo-data", "--demo-user", "bounces", "--demo-password", "p:ss word"]
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        deadline = time.monotonic() + 30
        while True:
            assert server.poll() is None
            assert time.monotonic() < deadline
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", number), timeout=1).close()
                break
        yield number
        server.terminate()


@pytest.fixture
def url(port: int) -> str:
    return f"imap://bounces:p%3Ass%20word@127.0.0.1:{port}/INBOX"


@pytest.fixture
def imap(port: int) -> Iterator[imaplib.IMAP4]:
    """A client of the emptied account."""
    with imaplib.IMAP4("127.0.0.1", port, timeout=20) as client:
        client.login("bounces", "p:ss word")
        client.select("INBOX")
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()
        yield client


@pytest.fixture
def deliveries(courier: Courier, tenant_id: int) -> list[Delivery]:
    with courier.store.begin(tenant_id) as unit:
        addresses = [f"person{n}@x.example" for n in range(8)]
        return list(unit.deliveries.add(new_message(unit), addresses))


def put(imap: imaplib.IMAP4, *mails: bytes) -> None:
    for mail in mails:
        assert imap.append("INBOX", "", "", mail.replace(b"\n", b"\r\n"))[0] == "OK"


def left(imap: imaplib.IMAP4, *which: str) -> int:
    imap.select("INBOX")
    found = imap.search(None, *(which or ("ALL",)))[1][0]
    return len((found or b"").split())


def bounce(courier: Courier, delivery: Delivery) -> bytes:
    token = courier.tokens.mint("verp", delivery.tenant_id, delivery.id)
    return (
        f"Delivered-To: b-{token}@bounce.example.com\nFrom: postmaster@x.example\n"
        f"Subject: failure notice\n\n<{delivery.address}>:\n550 user unknown\n"
    ).encode()


def states(courier: Courier, deliveries: list[Delivery]) -> list[str]:
    with courier.store.begin(deliveries[0].tenant_id) as unit:
        return [unit.deliveries.get(each.id).state for each in deliveries]


def test_what_is_stored_is_deleted_and_a_letter_is_left(
    courier: Courier, deliveries: list[Delivery], imap: imaplib.IMAP4, url: str
) -> None:
    put(imap, *(bounce(courier, each) for each in deliveries), b"Subject: hello\n\nworld\n")
    intake = Intake(courier)
    box = Mailbox(parse_url(Secret(url)), intake)
    assert box.look() == 9
    assert set(states(courier, deliveries)) == {"bounced"}
    assert (left(imap), left(imap, "SEEN")) == (1, 1)
    put(imap, bounce(courier, deliveries[0]))
    assert box.look() == 1
    assert intake.counts() == {"recorded": 8, "repeated": 1, "not_a_report": 1}
    assert left(imap) == 1


def test_an_outage_deletes_what_was_stored_and_nothing_else(
    courier: Courier, deliveries: list[Delivery], imap: imaplib.IMAP4, url: str, monkeypatch: Any
) -> None:
    put(imap, *(bounce(courier, each) for each in deliveries))
    box = Mailbox(parse_url(Secret(url)), Intake(courier))
    begin, times = courier.store.begin, iter(range(99))

    def away(*arguments: Any, **options: Any) -> Any:
        if next(times) >= 3:
            raise StoreError("the disk is full")
        return begin(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(courier.store, "begin", away)
        with pytest.raises(StoreError):
            box.look()
    bounced = states(courier, deliveries).count("bounced")
    assert 0 < bounced < 8
    assert left(imap) == 8 - bounced
    assert box.look() == 8 - bounced
    assert (left(imap), set(states(courier, deliveries))) == (0, {"bounced"})


def test_a_crash_between_the_commit_and_the_deletion_repeats_and_harms_nothing(
    courier: Courier, deliveries: list[Delivery], imap: imaplib.IMAP4, url: str, monkeypatch: Any
) -> None:
    put(imap, bounce(courier, deliveries[0]))
    intake = Intake(courier)
    box = Mailbox(parse_url(Secret(url)), intake)

    def cut(self: imaplib.IMAP4, command: str, *arguments: Any) -> Any:
        if command == "STORE":
            raise imaplib.IMAP4.abort("connection lost")
        return uid(self, command, *arguments)

    uid = imaplib.IMAP4.uid
    with monkeypatch.context() as patch:
        patch.setattr(imaplib.IMAP4, "uid", cut)
        with pytest.raises(MailboxError, match="connection lost"):
            box.look()
    assert states(courier, deliveries)[0] == "bounced"
    assert left(imap) == 1
    assert box.look() == 1
    assert left(imap) == 0
    assert intake.counts() == {"recorded": 1, "repeated": 1}


def test_one_mail_that_cannot_be_read_does_not_keep_the_others_waiting(
    courier: Courier, deliveries: list[Delivery], imap: imaplib.IMAP4, url: str, monkeypatch: Any
) -> None:
    put(imap, bounce(courier, deliveries[0]), b"Subject: poison\n\n", bounce(courier, deliveries[1]))
    intake = Intake(courier)
    take = intake.take

    def fragile(raw: bytes, to: str = "") -> Any:
        if b"poison" in raw:
            raise RuntimeError("a bug of ours")
        return take(raw, to)

    monkeypatch.setattr(intake, "take", fragile)
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "RANGE", 2)
    assert Mailbox(parse_url(Secret(url)), intake).look() == 2
    assert intake.counts() == {"recorded": 2, "failed": 1}
    assert left(imap, "UNSEEN") == 1


def test_it_watches_until_told_to_stop_through_an_outage_of_the_server(
    courier: Courier, deliveries: list[Delivery], imap: imaplib.IMAP4, url: str, caplog: Any
) -> None:
    with bind("127.0.0.1", 0) as closed:
        nobody = closed.getsockname()[1]
    stop = threading.Event()
    looks = iter(range(99))

    class Flaky(Mailbox):
        def look(self, stopped: Any = None) -> int:
            if next(looks) == 0:
                return Mailbox(parse_url(Secret(f"imap://a:b@127.0.0.1:{nobody}")), self._intake).look()
            stop.set()
            return super().look()

    put(imap, bounce(courier, deliveries[0]))
    Flaky(parse_url(Secret(url)), Intake(courier)).watch(stop, 0.01)
    assert "tried again" in caplog.text
    assert states(courier, deliveries)[0] == "bounced"


def test_a_wrong_password_is_said_without_it(courier: Courier, port: int) -> None:
    box = Mailbox(parse_url(Secret(f"imap://bounces:wrong-secret@127.0.0.1:{port}")), Intake(courier))
    with pytest.raises(MailboxError) as refused:
        box.look()
    assert "wrong-secret" not in str(refused.value)


def test_off_loopback_tls_is_begun_and_the_certificate_is_checked(
    courier: Courier, port: int, certificate: Certificate, imap: imaplib.IMAP4
) -> None:
    assert parse_url(Secret("imap://a:b@imap.example.com")).starttls
    url = parse_url(Secret(f"imap://bounces:p%3Ass%20word@localhost:{port}"))
    box = Mailbox(msgspec.structs.replace(url, starttls=True), Intake(courier))
    with pytest.raises(MailboxError, match="CERTIFICATE_VERIFY_FAILED"):
        box.look()
    trusting = ssl.create_default_context(cafile=str(certificate.authority))
    trusted = Mailbox(msgspec.structs.replace(url, starttls=True), Intake(courier), tls=trusting)
    assert trusted.look() == 0


@pytest.mark.parametrize(
    "wrong", ["", "x", "imap://host", "imaps://user@host", "pop://a:secret@h", "imap://a:b@h:x"]
)
def test_a_wrong_url_is_not_shown(wrong: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_url(Secret(wrong))
    assert "secret" not in str(refused.value)


def test_the_command_looks_once(
    courier: Courier,
    deliveries: list[Delivery],
    imap: imaplib.IMAP4,
    url: str,
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    put(imap, bounce(courier, deliveries[0]))
    variables = environ | {"COURIERX_INBOUND_IMAP_URL": url}
    ended = CliRunner().invoke(cli, ["inbound", "--imap", "--once"], env=variables)
    assert (ended.exit_code, ended.stdout) == (0, "1 taken.\n")
    assert CliRunner().invoke(cli, ["inbound", "--imap", "--pipe"]).exit_code == 2
