"""Plugins that break one rule each, under the contract suites: `test_kit_suites.py` runs them, and reads what
their author is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from courierx_core import (
    Accepted,
    Config,
    Deferred,
    Envelope,
    Feedback,
    FeedbackSource,
    Grant,
    HttpRequest,
    Limiter,
    Queue,
    Receipt,
    Runtime,
    Session,
    Traits,
    Transport,
    TransportDown,
    Uncertain,
)
from courierx_core.testing import (
    FeedbackContract,
    HttpPeer,
    LimiterContract,
    QueueContract,
    TransportContract,
)


class Wire(Session):
    """Right, but for what a rule's class changes."""

    attempts = 1
    lost: Any = staticmethod(lambda id: Uncertain(id, "answer", "no answer"))
    receipt_id: int | None = None

    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, envelope: Envelope) -> Receipt:
        try:
            for _ in range(self.attempts):
                urlopen(Request(self.url, envelope.mime()), timeout=20).close()
        except OSError:
            answer: Receipt = self.lost(envelope.id)
            return answer
        return Accepted(self.receipt_id or envelope.id)

    def close(self) -> None: ...


class Post(Transport[Config]):
    session: type[Wire] = Wire
    seen: Traits | None = None

    def __init__(self, url: str) -> None:
        super().__init__("post", Config(), Runtime())
        self.url = url

    def limits(self) -> Traits:
        return self.seen or self.traits

    def open(self) -> Session:
        return self.session(self.url)


class Broken(TransportContract):
    secret = "hunter2"
    wrong: type[Post] = Post

    @pytest.fixture
    def peer(self) -> Iterator[HttpPeer]:
        with HttpPeer() as peer:
            yield peer

    def transport(self, peer: HttpPeer) -> Post:  # type: ignore[override]
        return self.wrong(peer.url)


def with_session(**rule: Any) -> type[Post]:
    return type("Rule", (Post,), {"session": type("Rule", (Wire,), rule)})


def give_one_less(session: Wire, envelopes: Iterator[Envelope | None]) -> Iterator[Receipt]:
    given = [each for each in envelopes if each is not None]
    return map(session.send, given[1:])


def talk(id: int) -> Receipt:
    raise TransportDown("the password hunter2 was refused")


class TestLosesOne(Broken):
    wrong = with_session(send_many=give_one_less)


class TestSendsTwice(Broken):
    wrong = with_session(attempts=2)


class TestOneId(Broken):
    wrong = with_session(receipt_id=4)


class TestSure(Broken):
    wrong = with_session(lost=staticmethod(lambda id: Deferred(id, "broke", "transport")))


class TestCostly(Broken):
    wrong = with_session(lost=staticmethod(lambda id: Deferred(id, "broke", "recipient")))


class TestTalks(Broken):
    wrong = with_session(lost=staticmethod(talk))


class TestNoRoom(Broken):
    wrong = type("NoRoom", (Post,), {"traits": Traits(max_concurrency=0)})


class TestAddsFeatures(Broken):
    wrong = type("Adds", (Post,), {"traits": Traits(features=frozenset()), "seen": Traits()})


class Source(FeedbackSource[Config]):
    def verify(self, request: HttpRequest) -> None: ...

    def parse(self, request: HttpRequest) -> list[Feedback]:
        return [Feedback(kind="bounced", at=self.runtime.now())]


class TestBelievesAll(FeedbackContract):
    recordings = Path("recordings")

    @pytest.fixture(autouse=True)
    def _recording(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("recordings").mkdir()
        told = {
            "request": {"text": "bounced: ann"},
            "at": "2026-01-31T12:00:00Z",
            "feedback": [{"kind": "delivered"}],
        }
        Path("recordings/one.json").write_text(json.dumps(told))

    def source(self, runtime: Runtime) -> Source:
        return Source("source", Config(), runtime)


class Generous(Limiter[Config]):
    def take(self, key: str, want: int, rate: Any) -> Grant:
        return Grant(want)


class TestGenerous(LimiterContract):
    def limiter(self, clock: Any) -> Generous:
        return Generous("generous", Config(), Runtime())


class Deaf(Queue[Config]):
    """Handles every topic that it knows, whoever asked."""

    def notify(self, topic: str) -> str:
        return ""

    def listen(self, topics: Any, handle: Any, stop: threading.Event, sweep_seconds: float) -> None:
        while not stop.wait(0.01):
            for topic in ("broadcast", "transactional"):
                handle(topic)


class TestDeaf(QueueContract):
    def queue(self) -> Deaf:
        return Deaf("deaf", Config(), Runtime())
