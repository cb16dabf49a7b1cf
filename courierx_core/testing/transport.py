"""What every transport must keep: subclass, give a peer and a factory, and run pytest."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import pytest

from courierx_core.ports.transport import (
    Accepted,
    Deferred,
    Envelope,
    Receipt,
    Transport,
    TransportDown,
    Uncertain,
)
from courierx_core.testing.envelopes import FakeEnvelope
from courierx_core.testing.peers import Peer


class TransportContract(ABC):
    """class TestPigeon(TransportContract):

        secret = "hunter2"

        @pytest.fixture
        def peer(self): ...                 # a Peer, up while the test runs

        def transport(self, peer): ...      # a fresh transport that talks to it, with `secret` in its config

    A transport without a far side (a simulator) gives a peer whose `behave` skips.
    """

    secret: ClassVar[str] = ""
    """A password or key that the config holds and that must never show; '' when there is none."""

    @abstractmethod
    def transport(self, peer: Peer) -> Transport[Any]:
        """Make a transport that talks to `peer`."""

    @pytest.fixture
    def made(self, peer: Peer) -> Iterator[Transport[Any]]:
        transport = self.transport(peer)
        yield transport
        transport.close()

    @pytest.mark.parametrize("number", [0, 1, 2, 37])
    def test_n_envelopes_in_n_receipts_out(self, made: Transport[Any], peer: Peer, number: int) -> None:
        receipts = _send(made, list(FakeEnvelope.some(number)))
        _one_each(receipts, range(1, number + 1))
        for receipt in receipts:
            assert isinstance(receipt, Accepted), f"the peer took everything, and the receipt says {receipt}"

    def test_one_request_for_each_attempt(self, made: Transport[Any], peer: Peer) -> None:
        _send(made, list(FakeEnvelope.some(12)))
        assert peer.attempts() == 12, (
            "12 envelopes are 12 requests: send nothing twice, and switch retries off"
        )

    def test_send_gives_the_receipt_of_its_envelope(self, made: Transport[Any], peer: Peer) -> None:
        session = made.open()
        try:
            ids = [session.send(FakeEnvelope(id)).id for id in (3, 99, 1)]
            assert ids == [3, 99, 1], "a receipt carries the id of its envelope"
        finally:
            session.close()

    def test_a_session_goes_on_after_a_pause(self, made: Transport[Any], peer: Peer) -> None:
        session = made.open()
        try:
            for first in (1, 11, 21):
                receipts = list(session.send_many(iter(FakeEnvelope.some(10, first=first))))
                _one_each(receipts, range(first, first + 10))
        finally:
            session.close()
        assert peer.attempts() == 30, "30 envelopes are 30 requests"

    def test_nothing_ready_just_now(self, made: Transport[Any], peer: Peer) -> None:
        """`None` is given only while something is unanswered, and every answer still comes."""
        answered: set[int] = set()
        given: list[int] = []

        def trickle() -> Iterator[Envelope | None]:
            for envelope in FakeEnvelope.some(9):
                given.append(envelope.id)
                yield envelope
                if len(given) % 3 == 0:
                    while len(answered) < len(given):
                        yield None

        session = made.open()
        try:
            for receipt in session.send_many(trickle()):
                answered.add(receipt.id)
        finally:
            session.close()
        assert answered == set(range(1, 10)), "every envelope gets its receipt, `None` or no `None` between"

    def test_a_drop_after_the_write_is_uncertain(self, made: Transport[Any], peer: Peer) -> None:
        peer.behave("drop_after")
        [receipt] = _send(made, [FakeEnvelope(5)])
        assert isinstance(receipt, Uncertain), (
            f"the request went out and its answer was lost: nobody knows, and the receipt says {receipt}"
        )
        assert receipt.id == 5, "a receipt carries the id of its envelope"
        assert peer.attempts() == 1, (
            "a request whose answer was lost is never made again: it may be a second mail"
        )

    def test_a_drop_before_the_write_is_not(self, made: Transport[Any], peer: Peer) -> None:
        peer.behave("drop_before")
        try:
            [receipt] = _send(made, [FakeEnvelope(5)])
        except TransportDown:
            return
        finally:
            assert peer.attempts() == 0, "the peer broke off before anything arrived, and counted a request"
        assert isinstance(receipt, Deferred), (
            f"nothing was handed over: raise TransportDown, or answer a transport's Deferred, not {receipt}"
        )
        assert receipt.scope == "transport", (
            "the far side is away: that must not cost the recipient an attempt"
        )

    def test_it_recovers_when_the_far_side_does(self, made: Transport[Any], peer: Peer) -> None:
        peer.behave("drop_after")
        _send(made, [FakeEnvelope(1)])
        peer.behave("accept")
        [receipt] = _send(made, [FakeEnvelope(2)])
        assert isinstance(receipt, Accepted), f"the far side is back, and the receipt says {receipt}"

    def test_no_secret_shows(
        self, made: Transport[Any], peer: Peer, caplog: pytest.LogCaptureFixture
    ) -> None:
        if not self.secret:
            pytest.skip("this transport has no secret")
        shown = [repr(made), repr(made.config), str(made.config), repr(made.limits())]
        with caplog.at_level(logging.DEBUG):
            for mode in ("accept", "drop_before", "drop_after"):
                peer.behave(mode)
                shown += [repr(problem) for problem in made.check()]
                try:
                    shown += [repr(receipt) for receipt in _send(made, [FakeEnvelope(1)])]
                except TransportDown as down:
                    shown += [repr(down), str(down), repr(down.__cause__)]
        for text in shown:
            assert self.secret not in text, "the secret shows in a repr, an error or a receipt; use Secret"
        assert self.secret not in caplog.text, "the secret shows in the log"

    def test_closing_twice_is_fine(self, made: Transport[Any], peer: Peer) -> None:
        session = made.open()
        session.send(FakeEnvelope(1))
        session.close()
        session.close()
        made.close()
        made.close()

    def test_the_traits_make_sense(self, made: Transport[Any], peer: Peer) -> None:
        for traits in (made.traits, made.limits()):
            assert traits.max_concurrency >= 1, "max_concurrency is 1 or more"
            assert traits.batch >= 1, "batch is 1 or more"
            assert min(traits.per_second, traits.max_bytes, traits.idempotent_seconds) >= 0, "0 is no limit"
        assert made.limits().features <= made.traits.features, "limits() only ever takes features away"

    def test_sessions_work_on_threads_of_their_own(self, made: Transport[Any], peer: Peer) -> None:
        receipts: list[Receipt] = []
        firsts = (1, 101, 201)
        threads = [
            threading.Thread(
                target=lambda first=first: receipts.extend(_send(made, FakeEnvelope.some(10, first=first)))
            )
            for first in firsts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _one_each(receipts, [id for first in firsts for id in range(first, first + 10)])

    def test_breaking_off_leaves_the_session_usable(self, made: Transport[Any], peer: Peer) -> None:
        session = made.open()
        try:
            for _ in session.send_many(FakeEnvelope.stream_of()):
                break
            [receipt] = session.send_many(iter([FakeEnvelope(10_000)]))
        finally:
            session.close()
        assert receipt.id == 10_000, "after a broken-off stream the session answers what it is given next"


def _one_each(receipts: Iterable[Receipt], ids: Iterable[int]) -> None:
    got = Counter(receipt.id for receipt in receipts)
    assert got == Counter(ids), "every envelope gets one receipt, with its own id: n in, n out"


def _send(transport: Transport[Any], envelopes: list[FakeEnvelope]) -> list[Receipt]:
    session = transport.open()
    try:
        return list(session.send_many(iter(envelopes)))
    finally:
        session.close()
