"""The test server is an oracle, so it is tested with another client: the standard library's."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.testing import Rule, ServerOptions, SmtpServer
from courierx_core.testing.script import decode_rules, script_of
from courierx_core.testing.spool import read_spool, send_id_of, unstuff

MESSAGE = b"Subject: x\r\nX-CourierX-Send-ID: abc\r\n\r\n.dot\r\nhello\r\n"


@contextmanager
def client_of(server: SmtpServer) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(server.host, server.port, timeout=20) as client:
        yield client


@pytest.fixture(params=["process", "thread"])
def thread(request: pytest.FixtureRequest) -> bool:
    return request.param == "thread"


def test_it_keeps_what_it_took(thread: bool) -> None:
    with SmtpServer(ServerOptions(keep="whole"), thread=thread) as server, client_of(server) as client:
        client.sendmail("a@b.c", ["x@y.z", "u@v.w"], MESSAGE)
        first, second = server.received()
    assert (first.recipient, second.recipient) == ("x@y.z", "u@v.w")
    assert (first.sender, first.send_id, first.content) == ("a@b.c", "abc", MESSAGE)
    assert first.digest == second.digest != ""


def test_rules_refuse_defer_and_count(thread: bool) -> None:
    rules = [
        Rule(stage="rcpt", action="550 5.1.1 unknown", recipient="bad*"),
        Rule(stage="rcpt", action="451 4.7.1 later", recipient="grey*", each=1),
    ]
    with SmtpServer(rules=rules, thread=thread) as server, client_of(server) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail("a@b.c", ["bad@y.z"], MESSAGE)
        with pytest.raises(smtplib.SMTPRecipientsRefused) as deferred:
            client.sendmail("a@b.c", ["grey@y.z"], MESSAGE)
        client.sendmail("a@b.c", ["grey@y.z"], MESSAGE)
        client.sendmail("a@b.c", ["grey@y.z"], MESSAGE)
        assert server.counts() == {"grey@y.z": 2}
        assert server.duplicates() == {("grey@y.z", "abc"): 2}
    assert refused.value.recipients["bad@y.z"] == (550, b"5.1.1 unknown")
    assert deferred.value.recipients["grey@y.z"] == (451, b"4.7.1 later")


def test_what_was_answered_survives_a_kill_and_the_server_comes_back() -> None:
    with SmtpServer() as server:
        with client_of(server) as client:
            client.sendmail("a@b.c", ["one@y.z"], MESSAGE)
            server.kill()
        port = server.port
        server.start()
        assert server.port == port
        with client_of(server) as client:
            client.sendmail("a@b.c", ["two@y.z"], MESSAGE)
        assert list(server.counts()) == ["one@y.z", "two@y.z"]


def test_taken_drop_stores_and_does_not_answer(thread: bool) -> None:
    rules = [
        Rule(stage="dot", action="taken drop", first=2, last=2),
        Rule(stage="dot", action="drop", first=3),
    ]
    with SmtpServer(rules=rules, thread=thread) as server:
        kept = []
        for name in ("first", "second", "third"):
            with socket.create_connection((server.host, server.port), 20) as raw:
                raw.sendall(
                    b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<%b@y.z>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
                    % name.encode()
                )
                kept.append(b"\r\n250 2.0.0 taken" in _all_of(raw))
        assert kept == [True, False, False]
        assert list(server.counts()) == ["first@y.z", "second@y.z"]


def test_pipelining_when_not_offered_is_caught() -> None:
    with (
        SmtpServer(ServerOptions(pipelining=False), thread=True) as server,
        socket.create_connection((server.host, server.port), 20) as raw,
    ):
        raw.sendall(b"EHLO x\r\nMAIL FROM:<a@b.c>\r\n")
        assert b"554 5.5.0 improper" in _all_of(raw)


def test_a_message_in_pieces_and_many_in_one_write() -> None:
    one = b"MAIL FROM:<a@b.c>\r\nRCPT TO:<x@y.z>\r\nDATA\r\n" + MESSAGE + b".\r\n"
    stream = b"EHLO x\r\n" + one * 5 + b"QUIT\r\n"
    for size in (1, 7, 64, len(stream)):
        with SmtpServer(ServerOptions(keep="whole"), thread=True) as server:
            with socket.create_connection((server.host, server.port), 20) as raw:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for start in range(0, len(stream), size):
                    raw.sendall(stream[start : start + size])
                assert _all_of(raw).count(b"250 2.0.0 taken") == 5
            assert {message.content for message in server.received()} == {unstuff(MESSAGE)}


def test_a_large_message_in_pieces() -> None:
    content = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 100_000 + b"a\r\n..\r\n"
    with SmtpServer(ServerOptions(keep="whole"), thread=True) as server, client_of(server) as client:
        client.sendmail("a@b.c", ["x@y.z"], content)
        client.sendmail("a@b.c", ["x@y.z"], MESSAGE)
        first, second = server.received()
    assert first.content == content
    assert second.content == MESSAGE


def test_auth_is_required_when_there_is_a_user() -> None:
    options = ServerOptions(user="me", password="secret")
    with SmtpServer(options, thread=True) as server, client_of(server) as client:
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("a@b.c", ["x@y.z"], MESSAGE)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("me", "wrong")
        client.login("me", "secret")
        client.sendmail("a@b.c", ["x@y.z"], MESSAGE)
        assert len(server.received()) == 1


def test_size_is_offered_and_kept() -> None:
    with SmtpServer(ServerOptions(size=20), thread=True) as server, client_of(server) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "20"
        with pytest.raises(smtplib.SMTPDataError, match="too big"):
            client.sendmail("a@b.c", ["x@y.z"], MESSAGE)
        assert server.received() == []


def test_a_delayed_answer_comes() -> None:
    rules = [Rule(stage="data", action="delay 0.05"), Rule(stage="banner", action="delay 0.05")]
    with SmtpServer(rules=rules, thread=True) as server, client_of(server) as client:
        client.sendmail("a@b.c", ["x@y.z"], MESSAGE)
        assert len(server.received()) == 1


def test_it_stops_when_its_parent_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "courierx_core.testing.smtp", "--spool", str(tmp_path / "spool")]
    child = subprocess.Popen(
        [*command, "--with-parent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin
    assert child.stdout
    assert child.stdout.readline().startswith("listening ")
    child.stdin.close()
    assert child.wait(20) == 0
    child.stdout.close()


def test_rules_are_json() -> None:
    rules = [Rule(stage="dot", action="drop", every=3, first=2, last=9)]
    assert decode_rules(msgspec.json.encode(rules)) == rules
    with pytest.raises(msgspec.ValidationError, match="stage"):
        decode_rules('[{"stage": "lunch", "action": "drop"}]')


def test_a_rules_turns() -> None:
    script = script_of([Rule(stage="dot", action="drop", first=2, last=8, every=3)])
    turns = [number for number in range(1, 13) if script("dot", "", "", number) == "drop"]
    assert turns == [2, 5, 8]


def test_a_torn_last_line_is_not_a_message(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(b"x@y.z\tid\ta@b.c\t10\t\nx@y.z\tid2\ta@b")
    assert [message.send_id for message in read_spool(spool)] == ["id"]


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"X-CourierX-Send-ID: abc\r\n\r\nx", b"abc"),
        (b"Subject: x\r\nx-courierx-send-id:  abc \r\n\r\nx", b"abc"),
        (b"Subject: x\r\nX-CourierX-Send-ID:abc\r\nTo: y\r\n\r\nx", b"abc"),
        (b"Subject: x\r\n\r\nno header", b""),
        (b"", b""),
    ],
)
def test_the_send_id_is_found(raw: bytes, found: bytes) -> None:
    assert send_id_of(raw) == found


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"", b".a"])))
def test_unstuffing_undoes_stuffing(rows: list[bytes]) -> None:
    content = b"".join(row + b"\r\n" for row in rows)
    stuffed = b"".join(b"." * row.startswith(b".") + row + b"\r\n" for row in rows)
    assert unstuff(stuffed) == content


def _all_of(raw: socket.socket) -> bytes:
    """Read until the server closes."""
    found = b""
    while data := raw.recv(65536):
        found += data
    return found
