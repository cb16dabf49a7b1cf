"""LEDGER R15: whatever a server says or does, at any stage, gives the right class of receipt."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.transport import Accepted, Deferred, Receipt, Refused, TransportDown, Uncertain
from courierx_core.testing import FakeEnvelope, ReceivedMessage, Rule, ServerOptions, SmtpServer
from courierx_smtp.config import SmtpConfig
from courierx_smtp.transport import SmtpTransport

CODES = ["421 4.7.0", "450 4.2.0", "451 4.3.0", "452 4.3.1", "550", "552", "554"]
FAULTS = ["drop", "hang", "garbage", "extra", "flood"]
BEFORE_MAIL = ["banner", "ehlo", "starttls", "auth"]


@contextmanager
def session_to(server: SmtpServer, url: str = "", *, patience: float = 20.0, **settings: Any):
    settings = {"connect_seconds": patience, "max_concurrency": 1} | settings
    names = ("mail_seconds", "rcpt_seconds", "data_seconds", "final_seconds")
    settings |= dict.fromkeys(names, patience)
    config = SmtpConfig(url=Secret(url or server.url), **settings)
    session = SmtpTransport("smtp", config, Runtime()).open()
    try:
        yield session
    finally:
        session.close()


def patience_for(action: str) -> float:
    return 0.3 if action == "hang" else 20.0


def answer_to(action: str, stage: str, *, pipelining: bool) -> tuple[Receipt, list[ReceivedMessage]]:
    rule = Rule(stage=stage, action=action)  # type: ignore[arg-type]
    options = ServerOptions(pipelining=pipelining)
    patience = patience_for(action)
    with (
        SmtpServer(options, rules=[rule], thread=True) as server,
        session_to(server, patience=patience) as session,
    ):
        return session.send(FakeEnvelope(7)), server.received()


def kind_of(receipt: Receipt) -> str:
    scope = getattr(receipt, "scope", "") or getattr(receipt, "stage", "")
    return f"{type(receipt).__name__} {scope}".strip()


def wanted(stage: str, action: str) -> str:
    if action.startswith("421"):
        return "Deferred transport"
    if action.startswith("4"):
        mailbox = stage == "rcpt" or (stage == "dot" and " 4.2." in action)
        return "Deferred recipient" if mailbox else "Deferred message"
    if action.startswith("5"):
        if stage == "rcpt":
            return "Refused recipient"
        return "Refused sender" if stage == "mail" and action != "552" else "Refused message"
    if stage == "dot":
        return "Accepted" if action == "extra" else "Uncertain answer"
    return "Deferred transport"


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "lock-step"])
@pytest.mark.parametrize("action", [*CODES, *FAULTS])
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
def test_the_stage_decides_the_class(stage: str, action: str, pipelining: bool) -> None:
    receipt, received = answer_to(action, stage, pipelining=pipelining)
    assert kind_of(receipt) == wanted(stage, action)
    assert receipt.id == 7
    if not isinstance(receipt, Accepted | Uncertain):
        assert received == []
    if action[0] in "45" and not isinstance(receipt, Uncertain):
        assert receipt.reply.startswith(action)
        if " " in action:
            assert receipt.status == action.split()[1]


@pytest.mark.parametrize("action", [*CODES, "454 4.7.0", "535 5.7.8", "drop", "hang", "garbage", "extra"])
@pytest.mark.parametrize("stage", BEFORE_MAIL)
def test_before_mail_the_transport_is_down(stage: str, action: str) -> None:
    rules = [Rule(stage=stage, action=action)]  # type: ignore[arg-type]
    options = ServerOptions(tls="starttls", user="user", password="hunter2")
    with SmtpServer(options, rules=rules, thread=True, transcript=True) as server:
        url = f"smtp://user:hunter2@{server.host}:{server.port}?starttls=required"
        ca_file = server.certificate.authority  # type: ignore[union-attr]
        settings = {"ca_file": ca_file, "patience": patience_for(action)}
        with session_to(server, url, **settings) as session, pytest.raises(TransportDown) as down:
            session.send(FakeEnvelope(1))
        assert "hunter2" not in str(down.value)
        told = server.transcript()
        assert not [line for line in told if " MAIL " in line]
        assert not [line for line in told if " plain AUTH" in line]
        assert server.received() == []


@pytest.mark.parametrize(
    ("code", "stage", "kind"),
    [
        ("530 5.7.0 authentication required", "mail", "Refused sender"),
        ("550 5.7.1 not allowed", "mail", "Refused sender"),
        ("550 5.1.8 bad sender", "mail", "Refused sender"),
        ("552 5.3.4 too big", "mail", "Refused message"),
        ("555 5.5.4 unsupported", "mail", "Refused message"),
        ("535 5.7.8 no", "rcpt", "Refused sender"),
        ("550 5.7.1 policy", "rcpt", "Refused recipient"),
        ("550 5.1.1 unknown", "dot", "Refused recipient"),
        ("552 5.2.2 full", "dot", "Refused recipient"),
        ("452 4.2.2 full", "dot", "Deferred recipient"),
        ("550 5.7.1 spam", "dot", "Refused message"),
        ("550 4.7.1 mixed up", "dot", "Refused message"),
    ],
)
def test_the_status_decides_the_scope(code: str, stage: str, kind: str) -> None:
    receipt, _ = answer_to(code, stage, pipelining=True)
    assert kind_of(receipt) == kind
    assert receipt.reply == code  # type: ignore[union-attr]
    status = receipt.status  # type: ignore[union-attr]
    assert status == (None if "4.7.1 mixed" in code else code.split()[1])


def test_after_a_fault_the_next_message_goes_out_on_another_connection() -> None:
    rules = [Rule(stage="dot", action="drop", last=1)]
    with SmtpServer(rules=rules, thread=True) as server, session_to(server) as session:
        receipts = list(session.send_many(iter(FakeEnvelope.some(5))))
        kinds = sorted(kind_of(receipt) for receipt in receipts)
        ids = sorted(message.recipient for message in server.received())
    assert sorted(receipt.id for receipt in receipts) == [1, 2, 3, 4, 5]
    assert kinds == ["Accepted"] * 3 + ["Deferred transport", "Uncertain answer"]
    assert ids == [f"person{n}@example.com" for n in (3, 4, 5)]


def test_taken_but_unanswered_is_uncertain() -> None:
    rules = [Rule(stage="dot", action="taken drop")]
    with SmtpServer(rules=rules, thread=True) as server, session_to(server) as session:
        receipt = session.send(FakeEnvelope(1))
        assert len(server.received()) == 1
    assert kind_of(receipt) == "Uncertain answer"


def test_354_without_a_recipient_is_answered_with_a_lone_dot() -> None:
    rules = [Rule(stage="rcpt", action="550 5.1.1 no", recipient="person2@*")]
    options = ServerOptions(eager_data=True, keep="whole")
    with SmtpServer(options, rules=rules, thread=True) as server, session_to(server) as session:
        receipts = {receipt.id: receipt for receipt in session.send_many(iter(FakeEnvelope.some(4)))}
        assert [m.recipient[6] for m in server.received()] == ["1", "3", "4"]
        assert all(message.size > 500 for message in server.received())
    assert kind_of(receipts[2]) == "Refused recipient"
    assert [kind_of(receipts[n]) for n in (1, 3, 4)] == ["Accepted"] * 3


def test_a_server_that_takes_the_lone_dot_is_dropped_and_counts_for_nothing() -> None:
    rules = [
        Rule(stage="rcpt", action="550 5.1.1 no", recipient="person1@*"),
        Rule(stage="dot", action="250 2.0.0 taken, of nobody", last=1),
    ]
    options = ServerOptions(eager_data=True)
    with SmtpServer(options, rules=rules, thread=True, transcript=True) as server:
        with session_to(server) as session:
            receipts = {receipt.id: receipt for receipt in session.send_many(iter(FakeEnvelope.some(2)))}
        connections = [line for line in server.transcript() if line.endswith("CONNECT")]
    assert kind_of(receipts[1]) == "Refused recipient"
    assert kind_of(receipts[2]) == "Accepted"
    assert len(connections) == 2


def test_a_refused_recipient_is_cleared_by_a_lone_rset() -> None:
    rules = [Rule(stage="rcpt", action="550 5.1.1 no", every=3)]
    with SmtpServer(rules=rules, thread=True, transcript=True) as server:
        with session_to(server) as session:
            receipts = list(session.send_many(iter(FakeEnvelope.some(9))))
        told = server.transcript()
    assert sum(isinstance(receipt, Refused) for receipt in receipts) == 3
    assert sum(isinstance(receipt, Accepted) for receipt in receipts) == 6
    assert sum("RSET" in line for line in told) == 3
    assert sum("CONNECT" in line for line in told) == 1


@pytest.mark.parametrize("action", ["421 4.3.2 enough", "drop"])
def test_a_kept_connection_that_ends_at_mail_costs_nobody_an_attempt(action: str) -> None:
    rules = [Rule(stage="mail", action=action, first=3, every=3)]
    with SmtpServer(rules=rules, thread=True) as server, session_to(server) as session:
        receipts = list(session.send_many(iter(FakeEnvelope.some(10))))
        assert len(server.received()) == 10
    assert all(isinstance(receipt, Accepted) for receipt in receipts)


def test_a_connection_is_closed_after_its_share_of_messages() -> None:
    with SmtpServer(thread=True, transcript=True) as server:
        with session_to(server, max_messages=4) as session:
            receipts = list(session.send_many(iter(FakeEnvelope.some(10))))
        told = server.transcript()
    assert len(receipts) == 10
    assert sum("CONNECT" in line for line in told) == 3
    assert sum("QUIT" in line for line in told) >= 2


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: FakeEnvelope(1, "jörg@example.com"), "Refused recipient 5.6.7"),
        (lambda: FakeEnvelope(1, content=b"Subject: \xc3\xb6\r\n\r\nx\r\n"), "Refused recipient 5.6.7"),
        (lambda: FakeEnvelope(1, content=b"Subject: x\r\n\r\n\xc3\xb6\r\n"), "Refused message 5.6.3"),
        (lambda: FakeEnvelope(1, content=b"x" * 2000), "Refused message 5.3.4"),
        (lambda: FakeEnvelope(1, "a@b.c>\r\nRCPT TO:<d@e.f"), "Refused recipient 5.1.3"),
        (lambda: FakeEnvelope(1, mail_from="a b@c.d"), "Refused message 5.1.7"),
    ],
    ids=["address", "header", "body", "size", "smuggled recipient", "bad return path"],
)
def test_what_the_server_does_not_offer_is_refused_here(make: Callable[[], FakeEnvelope], kind: str) -> None:
    options = ServerOptions(smtputf8=False, eight_bit=False, size=1900)
    with SmtpServer(options, thread=True, transcript=True) as server:
        with session_to(server) as session:
            receipt = session.send(make())
        assert not [line for line in server.transcript() if "MAIL" in line]
    assert f"{kind_of(receipt)} {receipt.status}" == kind  # type: ignore[union-attr]


def test_smtputf8_and_8bitmime_are_used_when_offered() -> None:
    with SmtpServer(ServerOptions(keep="whole"), thread=True, transcript=True) as server:
        with session_to(server) as session:
            content = "Subject: ö\r\n\r\nü\r\n".encode()
            receipt = session.send(FakeEnvelope(1, "jörg@example.com", content=content))
        mail = [line for line in server.transcript() if " MAIL " in line]
        [message] = server.received()
    assert isinstance(receipt, Accepted)
    assert mail[0].endswith(" BODY=8BITMIME SMTPUTF8")
    assert (message.recipient, message.content) == ("jörg@example.com", content)


def test_a_refusing_port_is_transport_down() -> None:
    with SmtpServer(thread=True) as server:
        pass
    with session_to(server) as session, pytest.raises(TransportDown, match="refused"):
        session.send(FakeEnvelope(1))


def test_a_large_body_that_is_refused_halfway_has_a_definite_answer() -> None:
    """The server answers before the dot and hangs up: nothing was taken."""
    rules = [Rule(stage="body", action="552 5.3.4 too much already")]
    content = b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n" * 1
    content += (b"z" * 70 + b"\r\n") * 300_000
    with SmtpServer(rules=rules, thread=True) as server, session_to(server) as session:
        receipt = session.send(FakeEnvelope(1, content=content))
        assert server.received() == []
    assert kind_of(receipt) == "Refused message"
    assert isinstance(receipt, Refused)


@pytest.mark.parametrize("action", ["drop", "hang"])
def test_a_body_that_did_not_get_out_whole_is_uncertain_at_data(action: str) -> None:
    rules = [Rule(stage="body", action=action)]
    content = b"Subject: x\r\n\r\n" + (b"z" * 70 + b"\r\n") * 300_000
    patience = patience_for(action)
    with (
        SmtpServer(rules=rules, thread=True) as server,
        session_to(server, patience=patience) as session,
    ):
        receipt = session.send(FakeEnvelope(1, content=content))
    assert kind_of(receipt) == "Uncertain data"


def test_deferrals_are_values_that_never_stop_the_others() -> None:
    rules = [Rule(stage="rcpt", action="451 4.7.1 greylisted", each=1)]
    with SmtpServer(rules=rules, thread=True) as server, session_to(server, max_concurrency=5) as session:
        first = list(session.send_many(iter(FakeEnvelope.some(50))))
        second = list(session.send_many(iter(FakeEnvelope.some(50))))
        assert len(server.received()) == 50
    assert all(isinstance(receipt, Deferred) for receipt in first)
    assert all(isinstance(receipt, Accepted) for receipt in second)
