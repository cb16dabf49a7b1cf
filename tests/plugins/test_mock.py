"""The simulator: seeded, scripted, and honest about its own limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from courierx_core.ports.driver import Runtime
from courierx_core.ports.transport import Accepted, Deferred, Envelope, Receipt, Refused, Uncertain
from courierx_core.testing import FakeEnvelope, TransportContract
from courierx_core.testing.limiter import Clock
from courierx_core.testing.peers import Peer, PeerMode
from courierx_mock.transport import MockConfig, MockTransport, Script


def mock(script: Script | None = None, **settings: Any) -> MockTransport:
    return MockTransport("mock", MockConfig(**settings), Runtime(), script=script)


def send(transport: MockTransport, number: int) -> list[Receipt]:
    return list(transport.open().send_many(iter(FakeEnvelope.some(number))))


class SimulatedPeer:
    """The contract's far side, played by the mock's own script."""

    def __init__(self) -> None:
        self.mode: PeerMode = "accept"
        self.seen = 0

    def behave(self, mode: PeerMode) -> None:
        assert mode in get_args(PeerMode)
        self.mode = mode

    def attempts(self) -> int:
        return self.seen

    def decide(self, envelope: Envelope) -> Receipt | None:
        if self.mode == "drop_before":
            return Deferred(envelope.id, "connection lost", "transport")
        self.seen += 1
        return Uncertain(envelope.id, "answer", "connection lost") if self.mode == "drop_after" else None


class TestMock(TransportContract):
    settings: dict[str, Any] = {}  # noqa: RUF012 - one value for each subclass

    @pytest.fixture
    def peer(self) -> SimulatedPeer:
        return SimulatedPeer()

    def transport(self, peer: Peer) -> MockTransport:
        assert isinstance(peer, SimulatedPeer)
        return mock(peer.decide, **self.settings)


class TestMockWithLatency(TestMock):
    settings = {"latency_ms": 1.0, "max_concurrency": 4}  # noqa: RUF012


def test_the_same_seed_gives_the_same_run() -> None:
    shares = {"deferred": 0.2, "bounced": 0.2, "rejected": 0.1, "uncertain": 0.1}
    assert send(mock(seed=5, **shares), 200) == send(mock(seed=5, **shares), 200)
    assert send(mock(seed=5, **shares), 200) != send(mock(seed=6, **shares), 200)


def test_the_shares_are_kept() -> None:
    shares = {"throttled": 0.1, "deferred": 0.1, "bounced": 0.1, "rejected": 0.1, "uncertain": 0.1}
    receipts = send(mock(**shares), 20_000)
    counts = Counter((type(r), getattr(r, "scope", "")) for r in receipts)
    assert counts[Accepted, ""] == pytest.approx(10_000, rel=0.05)
    for kind in [
        (Deferred, "transport"),
        (Deferred, "recipient"),
        (Refused, "recipient"),
        (Refused, "message"),
        (Uncertain, ""),
    ]:
        assert counts[kind] == pytest.approx(2_000, rel=0.15)


@pytest.mark.parametrize(
    ("local", "wanted"),
    [("delivered", Accepted), ("complained", Accepted), ("bounced", Refused), ("deferred", Deferred)],
)
def test_sandbox_addresses_act_out_their_names(local: str, wanted: type[Receipt]) -> None:
    session = mock(uncertain=1.0).open()
    receipt = session.send(FakeEnvelope(3, f"{local}@sandbox.invalid"))
    assert isinstance(receipt, wanted)
    assert receipt.id == 3


def test_only_the_sandbox_domain_itself_is_the_sandbox() -> None:
    session = mock(uncertain=1.0).open()
    assert isinstance(session.send(FakeEnvelope(1, "bounced@not.sandbox.invalid")), Uncertain)
    assert isinstance(session.send(FakeEnvelope(1, "anyone@sandbox.invalid")), Uncertain)


def test_shares_above_one_are_refused() -> None:
    with pytest.raises(ValueError, match=r"add up to 1\.2"):
        MockConfig(deferred=0.6, bounced=0.6)


def test_latency_overlaps_up_to_the_concurrency() -> None:
    """In simulated time: 50 messages of 10 to 30 ms, 50 or 5 at a time."""
    for concurrency, least, most in ((50, 0.010, 0.031), (5, 0.100, 0.300)):
        clock = Clock()
        runtime = Runtime(monotonic=clock.monotonic, sleep=clock.advance)
        transport = MockTransport("mock", MockConfig(latency_ms=20.0, max_concurrency=concurrency), runtime)
        began = clock.now
        assert len(send(transport, 50)) == 50
        assert least <= clock.now - began <= most


def test_a_message_that_does_not_render_is_found_out() -> None:
    class Broken(FakeEnvelope):
        def mime(self) -> bytes:
            raise ValueError("no such variable")

    def one() -> Iterator[Envelope]:
        yield Broken(1)

    with pytest.raises(ValueError, match="no such variable"):
        list(mock().open().send_many(one()))
