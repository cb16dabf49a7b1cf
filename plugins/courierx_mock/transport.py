"""The transport named `mock`: acts out deliveries by chance (seeded), by script, or by address."""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
from msgspec import Meta

from courierx_core.ports.driver import Config, Runtime
from courierx_core.ports.transport import (
    Accepted,
    Deferred,
    Envelope,
    Receipt,
    Refused,
    Session,
    Traits,
    Transport,
    Uncertain,
)

Script: TypeAlias = Callable[[Envelope], Receipt | None]
"""Decides one envelope; None leaves it to chance."""
Share: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
SANDBOX_DOMAIN = "sandbox.invalid"


class MockConfig(Config, frozen=True, kw_only=True):
    """How the simulated far side behaves. Shares are of all messages; what is left is accepted."""

    seed: int = 1
    latency_ms: Annotated[float, Meta(ge=0.0)] = 0.0
    """From handing over to the answer: half to one and a half times this."""
    per_second: Annotated[int, Meta(ge=0)] = 0
    max_concurrency: Annotated[int, Meta(ge=1)] = 20
    throttled: Share = 0.0
    """Deferred for the transport's sake: slow down."""
    deferred: Share = 0.0
    bounced: Share = 0.0
    rejected: Share = 0.0
    uncertain: Share = 0.0

    def __post_init__(self) -> None:
        total = self.throttled + self.deferred + self.bounced + self.rejected + self.uncertain
        if total > 1.0 + 1e-9:
            shares = "throttled, deferred, bounced, rejected and uncertain"
            raise ValueError(f"{shares} add up to {total:g}; they take 1 at most")


class MockTransport(Transport[MockConfig]):
    """Takes every envelope's bytes and sends none. `script` is for code: `MockTransport(..., script=f)`."""

    Config: ClassVar[type[Any]] = MockConfig
    traits = Traits(max_concurrency=20)

    def __init__(
        self, name: str, config: MockConfig, runtime: Runtime, *, script: Script | None = None
    ) -> None:
        super().__init__(name, config, runtime)
        self._script = script
        self._lock = threading.Lock()
        self._opened = 0

    def limits(self) -> Traits:
        return msgspec.structs.replace(
            self.traits, max_concurrency=self.config.max_concurrency, per_second=self.config.per_second
        )

    def open(self) -> Session:
        """Open a session with a stream of chance of its own: the nth session of a seed repeats itself."""
        with self._lock:
            self._opened += 1
            chance = random.Random(f"{self.config.seed}/{self._opened}")  # noqa: S311 - a simulation
        return MockSession(self.config, self.runtime, chance, self._script)


class MockSession(Session):
    """Answers in the order of simulated arrival."""

    def __init__(
        self, config: MockConfig, runtime: Runtime, chance: random.Random, script: Script | None
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._chance = chance
        self._script = script
        self._fates = _fates(config)

    def send(self, envelope: Envelope) -> Receipt:
        if self._config.latency_ms:
            self._runtime.sleep(self._latency())
        return self._decide(envelope)

    def send_many(self, envelopes: Iterator[Envelope | None]) -> Iterator[Receipt]:
        if not self._config.latency_ms:
            for envelope in envelopes:
                if envelope is not None:
                    yield self._decide(envelope)
            return
        now = self._runtime.monotonic
        open_: list[tuple[float, int, Receipt]] = []
        for envelope in envelopes:
            if envelope is not None:
                receipt = self._decide(envelope)
                heapq.heappush(open_, (now() + self._latency(), receipt.id, receipt))
            if envelope is None or len(open_) >= self._config.max_concurrency:
                self._runtime.sleep(max(0.0, open_[0][0] - now()) if open_ else 0.001)
            while open_ and open_[0][0] <= now():
                yield heapq.heappop(open_)[2]
        while open_:
            due, _, receipt = heapq.heappop(open_)
            self._runtime.sleep(max(0.0, due - now()))
            yield receipt

    def close(self) -> None:
        """There is nothing to give back."""

    def _latency(self) -> float:
        return self._config.latency_ms / 1000.0 * (0.5 + self._chance.random())

    def _decide(self, envelope: Envelope) -> Receipt:
        envelope.mime()  # rendered for real, so that a simulation finds what does not render
        receipt: Receipt | None = None
        if envelope.rcpt_to.endswith(SANDBOX_DOMAIN):
            receipt = sandbox_receipt(envelope)
        if receipt is None and self._script is not None:
            receipt = self._script(envelope)
        if receipt is not None:
            return receipt
        if self._fates:
            drawn = self._chance.random()
            for below, fate in self._fates:
                if drawn < below:
                    return fate(envelope.id)
        return Accepted(envelope.id, f"mock-{envelope.send_id}", "250 2.0.0 accepted by the simulator")


def sandbox_receipt(envelope: Envelope) -> Receipt | None:
    """Act out `delivered@`, `complained@`, `bounced@` and `deferred@sandbox.invalid`; None for others."""
    local, _, domain = envelope.rcpt_to.partition("@")
    if domain != SANDBOX_DOMAIN:
        return None
    if local == "bounced":
        return _bounced(envelope.id)
    if local == "deferred":
        return _deferred(envelope.id)
    if local in ("delivered", "complained"):
        return Accepted(envelope.id, f"sandbox-{envelope.send_id}", "250 2.0.0 accepted by the sandbox")
    return None


def _throttled(delivery_id: int) -> Receipt:
    return Deferred(delivery_id, "421 4.7.0 slow down", "transport", "4.7.0", 1.0)


def _deferred(delivery_id: int) -> Receipt:
    return Deferred(delivery_id, "451 4.2.2 mailbox full", "recipient", "4.2.2")


def _bounced(delivery_id: int) -> Receipt:
    return Refused(delivery_id, "550 5.1.1 no such user", "recipient", "5.1.1")


def _rejected(delivery_id: int) -> Receipt:
    return Refused(delivery_id, "554 5.7.1 message refused", "message", "5.7.1")


def _uncertain(delivery_id: int) -> Receipt:
    return Uncertain(delivery_id, "answer", "the simulator lost the answer")


def _fates(config: MockConfig) -> list[tuple[float, Callable[[int], Receipt]]]:
    """Lay the shares end to end over 0..1."""
    shares: tuple[tuple[float, Callable[[int], Receipt]], ...] = (
        (config.throttled, _throttled),
        (config.deferred, _deferred),
        (config.bounced, _bounced),
        (config.rejected, _rejected),
        (config.uncertain, _uncertain),
    )
    fates: list[tuple[float, Callable[[int], Receipt]]] = []
    below = 0.0
    for share, fate in shares:
        if share:
            below += share
            fates.append((below, fate))
    return fates
