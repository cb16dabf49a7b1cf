"""What the providers' transports share: one POST for each envelope, several at once over kept connections.

what happened                             what we know              outcome
no connection, no TLS                     nothing left us           Deferred transport
2xx                                       taken                     Accepted
429; 5xx with Retry-After                 not taken, may be later   Deferred transport
401, 402, 403, 404                        our account, our address  Refused transport
any other 4xx                             the message               Refused message
a drop, a time-out, any other answer      nothing                   Uncertain

A provider knows better by its own codes: its module says where.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from http.client import HTTPException
from typing import Generic, TypeVar

import msgspec

from courierx_core import (
    Accepted,
    Deferred,
    Envelope,
    Problem,
    Receipt,
    Refused,
    Session,
    Traits,
    Transport,
    Uncertain,
)
from courierx_providers.config import ProviderConfig
from courierx_providers.connection import Answer, Connection, NotSent, Request

P = TypeVar("P", bound=ProviderConfig)
POLL_SECONDS = 0.05
"""How long answers are waited for while there may be more to send."""
SLOWER_SECONDS = 1.0
LATER_SECONDS = 3600.0
"""The longest wait that a provider may ask for."""


class ProviderTransport(Transport[P]):
    """One provider's way to write a request and to read its answer."""

    def limits(self) -> Traits:
        return msgspec.structs.replace(
            self.traits, max_concurrency=self.config.max_concurrency, per_second=self.config.per_second
        )

    def open(self) -> Session:
        return ProviderSession(self)

    def check(self) -> list[Problem]:
        if self.config.hears:
            return []
        text = f"{self.name}: no event is believed, so `accepted` is where a delivery stays."
        return [Problem("warning", "no_feedback", text, f"Set {self.config.HEARS_BY}.")]

    @abstractmethod
    def request_of(self, envelope: Envelope) -> Request | Refused:
        """Write an envelope as the provider takes it, or say why it would not."""

    @abstractmethod
    def receipt(self, envelope_id: int, answer: Answer) -> Receipt:
        """Say what an answer means."""


class ProviderSession(Session, Generic[P]):
    """Up to `max_concurrency` requests in flight, each on a thread of a pool with a connection of its own."""

    def __init__(self, transport: ProviderTransport[P]) -> None:
        self._transport, self._room = transport, transport.config.max_concurrency
        self._pool = ThreadPoolExecutor(self._room, thread_name_prefix=f"courierx-{transport.name}")
        self._idle: deque[Connection] = deque()

    def send(self, envelope: Envelope) -> Receipt:
        return self._request(envelope)

    def send_many(self, envelopes: Iterator[Envelope | None]) -> Iterator[Receipt]:
        under_way: set[Future[Receipt]] = set()
        try:
            for envelope in envelopes:
                if envelope is None:
                    yield from _answers(under_way, POLL_SECONDS)
                    continue
                under_way.add(self._pool.submit(self._request, envelope))
                yield from _answers(under_way, None if len(under_way) >= self._room else 0)
            while under_way:
                yield from _answers(under_way, None)
        finally:
            wait(under_way)

    def close(self) -> None:
        self._pool.shutdown()
        while self._idle:
            self._idle.pop().close()

    def _request(self, envelope: Envelope) -> Receipt:
        if refused := _refused(envelope):
            return refused
        request = self._transport.request_of(envelope)
        if isinstance(request, Refused):
            return request
        if refused := _too_large(envelope, len(request.body), self._transport.traits.max_bytes):
            return refused
        connection = self._connection()
        try:
            return self._transport.receipt(envelope.id, connection.post(request))
        except NotSent as problem:
            return Deferred(envelope.id, str(problem), "transport")
        except (OSError, HTTPException) as problem:
            return Uncertain(envelope.id, "answer", f"{type(problem).__name__}: {problem}")
        finally:
            self._idle.append(connection)

    def _connection(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            config, runtime = self._transport.config, self._transport.runtime
            return Connection(config.url, config.connect_seconds, config.answer_seconds, runtime.monotonic)


def verdict(envelope_id: int, answer: Answer, provider_id: str = "") -> Receipt:
    """Judge an answer by its status alone, as the table above has it."""
    status, later = answer.status, _retry_after(answer)
    if 200 <= status < 300:
        return Accepted(envelope_id, provider_id, answer.words)
    if status == 429 or (status >= 500 and later is not None):
        return Deferred(envelope_id, answer.words, "transport", retry_after=later or SLOWER_SECONDS)
    if status in (401, 402, 403, 404):
        return Refused(envelope_id, answer.words, "transport")
    if 400 <= status < 500:
        return Refused(envelope_id, answer.words, "message")
    return Uncertain(envelope_id, "answer", answer.words)


def _answers(under_way: set[Future[Receipt]], seconds: float | None) -> Iterator[Receipt]:
    """Yield what has been answered, after waiting for one so long at most."""
    done, _ = wait(under_way, seconds, FIRST_COMPLETED)
    under_way -= done
    for future in done:
        yield future.result()


def _retry_after(answer: Answer) -> float | None:
    """Return the seconds that the provider asks for; a date is the same as no number."""
    given = answer.headers.get("retry-after", "").strip()
    if not given:
        return None
    return min(float(given), LATER_SECONDS) if given.isascii() and given.isdigit() else SLOWER_SECONDS


def _refused(envelope: Envelope) -> Refused | None:
    if envelope.rcpt_to.partition("@")[0].isascii():
        return None
    why = "553 5.6.7 the provider takes ASCII before the @ only"
    return Refused(envelope.id, why, "recipient", "5.6.7")


def _too_large(envelope: Envelope, size: int, most: int) -> Refused | None:
    if size <= most:
        return None
    why = f"552 5.3.4 the message has {size} bytes; the provider takes {most}"
    return Refused(envelope.id, why, "message", "5.3.4")
