"""Connections: opened as load demands, kept, replaced; and what a crash at a named point leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from courierx_core import failpoints
from courierx_core.errors import ConfigError
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.transport import Accepted, Envelope, Session, TransportDown, Uncertain
from courierx_core.testing import FakeEnvelope, Rule, ServerOptions, SmtpServer
from courierx_smtp.config import SmtpConfig
from courierx_smtp.transport import SmtpTransport


def session_to(server: SmtpServer, runtime: Runtime | None = None, **settings: Any) -> Session:
    config = SmtpConfig(url=Secret(server.url), **settings)
    return SmtpTransport("smtp", config, runtime or Runtime()).open()


def connections(server: SmtpServer) -> int:
    return sum(line.endswith(" CONNECT") for line in server.transcript())


def test_one_message_at_a_time_needs_one_connection() -> None:
    with SmtpServer(thread=True, transcript=True) as server:
        session = session_to(server)
        for id in range(1, 6):
            assert isinstance(session.send(FakeEnvelope(id)), Accepted)
        session.close()
        assert connections(server) == 1


def test_load_opens_more_connections_up_to_the_limit() -> None:
    rules = [Rule(stage="dot", action="delay 0.02")]
    with SmtpServer(rules=rules, thread=True, transcript=True) as server:
        session = session_to(server, max_concurrency=6)
        receipts = list(session.send_many(iter(FakeEnvelope.some(300))))
        session.close()
        assert len(receipts) == len(server.received()) == 300
        assert connections(server) == 6


def test_a_server_that_allows_few_connections_is_used_with_those() -> None:
    def script(stage: str, sender: str, recipient: str, count: int) -> str:
        return "421 4.7.0 too many connections" if stage == "banner" and count > 2 else ""

    with SmtpServer(script=script, transcript=True) as server:
        session = session_to(server, max_concurrency=10)
        receipts = list(session.send_many(iter(FakeEnvelope.some(500))))
        session.close()
        assert sum(isinstance(receipt, Accepted) for receipt in receipts) == 500
        assert connections(server) <= 4


def test_kept_connections_that_the_server_closed_are_replaced_unnoticed() -> None:
    with SmtpServer(thread=True) as server:
        session = session_to(server)
        assert isinstance(session.send(FakeEnvelope(1)), Accepted)
        server.stop()
        server.start()
        assert isinstance(session.send(FakeEnvelope(2)), Accepted)
        session.close()
        assert [message.recipient[6] for message in server.received()] == ["1", "2"]


def test_long_unused_connections_are_closed() -> None:
    now = [1000.0]
    with SmtpServer(thread=True, transcript=True) as server:
        session = session_to(server, Runtime(monotonic=lambda: now[0]), idle_seconds=60)
        session.send(FakeEnvelope(1))
        now[0] += 59.0
        session.send(FakeEnvelope(2))
        assert connections(server) == 1
        now[0] += 61.0
        session.send(FakeEnvelope(3))
        session.close()
        assert connections(server) == 2


def test_a_relay_that_goes_away_is_transport_down_and_nothing_is_lost() -> None:
    with SmtpServer(transcript=True) as server:
        session = session_to(server, max_concurrency=4)
        answered: list[int] = []
        given: list[int] = []

        def envelopes() -> Iterator[Envelope]:
            for envelope in FakeEnvelope.stream_of():
                given.append(envelope.id)
                if envelope.id == 400:
                    server.kill()
                yield envelope

        with pytest.raises(TransportDown):
            answered.extend(receipt.id for receipt in session.send_many(envelopes()))
        session.close()
        stored = {int(message.send_id[4:]) for message in server.received()}
    assert len(answered) == len(set(answered))
    unanswered = set(given) - set(answered)
    assert len(unanswered) <= 8, "TransportDown means: what is unanswered was not handed over"
    assert not unanswered & stored


def test_an_iterator_that_raises_ends_the_call_and_drops_what_was_open() -> None:
    def envelopes() -> Iterator[Envelope]:
        yield from FakeEnvelope.some(3)
        raise RuntimeError("the engine broke")

    with SmtpServer(thread=True) as server:
        session = session_to(server, max_concurrency=1)
        with pytest.raises(RuntimeError, match="the engine broke"):
            list(session.send_many(envelopes()))
        assert isinstance(session.send(FakeEnvelope(9)), Accepted)
        session.close()


def test_many_refusals_made_here_come_out_before_the_end() -> None:
    """Receipts that need no server do not pile up."""
    given = [0]

    def envelopes() -> Iterator[Envelope]:
        for id in range(1, 5001):
            given[0] = id
            yield FakeEnvelope(id, content=b"x" * 100)

    with SmtpServer(ServerOptions(size=50), thread=True) as server:
        session = session_to(server)
        for receipt in session.send_many(envelopes()):
            assert given[0] - receipt.id <= 200
        assert given[0] == 5000
        session.close()


CHILD = """
import sys
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.testing import FakeEnvelope
from courierx_smtp.config import SmtpConfig
from courierx_smtp.transport import SmtpTransport
config = SmtpConfig(url=Secret(sys.argv[1]), max_concurrency=1)
session = SmtpTransport("smtp", config, Runtime()).open()
for receipt in session.send_many(iter(FakeEnvelope.some(5))):
    print(receipt.id, type(receipt).__name__, flush=True)
"""


@pytest.mark.parametrize(
    ("point", "stored", "answered"),
    [
        ("after_connect:kill", [], []),
        ("after_rcpt:kill:3", [1, 2], [1]),
        ("mid_data:kill:3", [1, 2], [1]),
        ("after_dot:kill:3", [1, 2, 3], [1]),
        ("after_reply:kill:3", [1, 2, 3], [1, 2]),
    ],
)
def test_a_kill_at_a_named_point_leaves_what_the_protocol_says(
    point: str, stored: list[int], answered: list[int]
) -> None:
    """One read brings the answer to 2 and the 354 of 3, so at 3's body the answer is not yet passed on."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    env = os.environ | {"COURIERX_FAILPOINT": point, "PYTHONPATH": path}
    with SmtpServer() as server:
        child = subprocess.run(
            [sys.executable, "-c", CHILD, server.url], env=env, stdout=subprocess.PIPE, text=True, check=False
        )
        assert child.returncode == -9
        received = _settled(server)
    assert received == stored
    assert [int(line.split()[0]) for line in child.stdout.splitlines()] == answered


def test_a_failpoint_can_raise() -> None:
    failpoints.arm("after_dot:raise:2")
    try:
        with SmtpServer(thread=True) as server:
            session = session_to(server, max_concurrency=1)
            with pytest.raises(failpoints.FailpointHit):
                list(session.send_many(iter(FakeEnvelope.some(5))))
            session.close()
        assert not failpoints.armed
    finally:
        failpoints.arm("")


@pytest.mark.parametrize("text", ["after_lunch:kill", "after_dot:cry", "after_dot", "after_dot:kill:x"])
def test_a_failpoint_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="COURIERX_FAILPOINT"):
        failpoints.arm(text)


def test_uncertain_names_its_stage_when_the_relay_dies() -> None:
    rules = [Rule(stage="dot", action="taken hang")]
    with SmtpServer(rules=rules, thread=True) as server:
        session = session_to(server, max_concurrency=1, final_seconds=0.3)
        receipt = session.send(FakeEnvelope(1))
        session.close()
        assert len(server.received()) == 1
    assert receipt == Uncertain(1, "answer", "the server did not answer in time")


def _settled(server: SmtpServer) -> list[int]:
    """Ask the server something and wait for its answer, so that what came before has been dealt with."""
    session = session_to(server, max_concurrency=1)
    session.send(FakeEnvelope(1000, "probe@example.com"))
    session.close()
    return [int(m.send_id[4:]) for m in server.received() if m.recipient != "probe@example.com"]
