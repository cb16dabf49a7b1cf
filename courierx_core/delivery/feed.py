"""The belt between a run and a sender: intended envelopes one way, receipts the other.

Two threads touch it and no lock is taken per envelope: deques are atomic at both ends, and an event is
set only when the other side is likely to be waiting. Envelopes are made and rendered on the sender's thread,
a few ahead of what is taken: one by one, rendering and the network would push each other out of the
processor's caches, and a whole step at once would keep every connection waiting.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple, Protocol, TypeVar

from courierx_core.delivery.judge import Unrendered
from courierx_core.errors import RenderError
from courierx_core.messages.model import Recipient
from courierx_core.ports.transport import Deferred, Envelope, Receipt, TransportDown, Uncertain

IDLE_SECONDS = 0.05
"""How long the sender sleeps, with nothing in flight, before it looks again."""

BATCH = 20
"""Envelopes made at once."""

T = TypeVar("T")

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Read a clock that goes on through a suspend: a worker that slept past its lease must know it."""
    return time.clock_gettime(_CLOCK)


class Renderer(Protocol):
    """A message compiled once (`messages.compile.Compiled`)."""

    def envelopes(self, recipients: Sequence[Recipient], *, eager: bool) -> Sequence[Envelope]:
        """Make the recipients' envelopes, rendered now if `eager`. Raises RenderError then, where one of them
        cannot be rendered."""


class Intended(NamedTuple):
    """Who gets a copy of what: an envelope to be made."""

    renderer: Renderer
    recipient: Recipient


class Feed(Iterator[Envelope | None]):
    """Iterated by the sender (`None`: nothing ready just now), filled and drained by the run."""

    def __init__(self, news: threading.Event, wants: Literal["mime", "fields"] = "mime") -> None:
        self.news = news
        """Set for the run: a step's answers wait, the belt ran dry, or the sender has returned."""
        self.step = 1
        """How many answers are worth a transaction."""
        self.deadline = float("inf")
        """Boot time after which nothing more may be handed over: the lease is too old."""
        self.answers: deque[Receipt | Unrendered] = deque()
        self.starved = False
        """The sender asked and the belt was empty: commit latency is what limits."""
        self.over = False
        """The sender has returned; no more answers will come."""
        self.failure: Exception | None = None
        """Why the sender returned early."""
        self._ready: deque[Intended] = deque()
        self._made: deque[tuple[Intended, Envelope]] = deque()
        self._making: list[Intended] = []
        """Off the belt and not made yet: the sender's alone, and back on the belt if it fails over them."""
        self._open: set[int] = set()
        self._filled = threading.Event()
        self._finished = False
        self._wants = wants

    # The run's side.

    def push(self, intended: Iterable[Intended]) -> None:
        """Put on the belt what the store knows to be on its way."""
        self._ready.extend(intended)
        self._filled.set()

    def finish(self) -> None:
        """Say that no more will come: the sender answers what is open and returns."""
        self._finished = True
        self._filled.set()

    @property
    def more_to_come(self) -> bool:
        """Something is handed over or on the belt, and will be answered."""
        return not self.over and bool(self._open or self._made or self._ready)

    def take_back(self) -> list[Intended]:
        """Take off the belt what has not been handed over."""
        return [intended for intended, _ in _emptied(self._made)] + list(_emptied(self._ready))

    # The sender's side.

    def __next__(self) -> Envelope | None:
        while True:
            if boottime() > self.deadline:
                raise StopIteration
            try:
                _, envelope = self._made.popleft()
            except IndexError:
                if self._make():
                    continue
                if self._finished:
                    raise StopIteration from None
                if not self.starved:  # told once: the run knows until it fills the belt
                    self.starved = True
                    self.news.set()
                if self._open:
                    return None
                self._filled.wait(IDLE_SECONDS)
                self._filled.clear()
                continue
            self._open.add(envelope.id)
            return envelope

    def _make(self) -> bool:
        """Make the envelopes of what comes next on the belt; tell whether there was anything."""
        self._making = batch = self._next_of_one_message()
        if not batch:
            return False
        made: list[tuple[Intended, Envelope]] = []
        failed: list[Unrendered] = []
        try:
            made += self._rendered(batch)
        except RenderError:  # for one of them, or some; that holds up nobody else
            for each in batch:
                try:
                    made += self._rendered([each])
                except RenderError as error:
                    failed.append(Unrendered(each.recipient.id, str(error)))
        self._made.extend(made)
        self.answers.extend(failed)
        self._making = []
        return True

    def _next_of_one_message(self) -> list[Intended]:
        batch: list[Intended] = []
        for intended in islice(_emptied(self._ready), BATCH):
            if batch and intended.renderer is not batch[0].renderer:
                self._ready.appendleft(intended)
                break
            batch.append(intended)
        return batch

    def _rendered(self, batch: Sequence[Intended]) -> list[tuple[Intended, Envelope]]:
        recipients = [each.recipient for each in batch]
        made = batch[0].renderer.envelopes(recipients, eager=self._wants == "mime")
        if self._wants == "fields":
            for envelope in made:
                envelope.fields()
        return list(zip(batch, made, strict=True))

    def answer(self, receipt: Receipt) -> None:
        """Pass a receipt on; one for an envelope that is not open (a second one, say) is dropped."""
        if receipt.id not in self._open:
            return
        self._open.remove(receipt.id)
        self.answers.append(receipt)
        if len(self.answers) >= self.step or (self.starved and not self._open):  # no more will come
            self.news.set()

    def close(self, failure: Exception | None) -> None:
        """End the sender's side: what is open becomes deferred (the transport is down, nothing was
        handed over) or uncertain (anything else)."""
        self.failure = failure
        if isinstance(failure, TransportDown):
            lost = [
                Deferred(i, failure.why, "transport", retry_after=failure.retry_after) for i in self._open
            ]
            self.answers.extend(lost)
        else:
            why = f"{type(failure).__name__}: {failure}" if failure else "the session ended without an answer"
            self.answers.extend(Uncertain(i, "data", why) for i in self._open)
        self._open.clear()
        self._ready.extendleft(reversed(self._making))
        self.over = True
        self.news.set()


def _emptied(belt: deque[T]) -> Iterator[T]:
    """Take one after the other off a belt that somebody else may be taking from, too."""
    while True:
        try:
            yield belt.popleft()
        except IndexError:
            return


def await_step(step: int, feeds: Sequence[Feed], news: threading.Event, seconds: float) -> None:
    """Wait until `step` answers are there, no more will come, or `seconds` are over."""
    until = time.monotonic() + seconds
    while short_of(step, feeds) and (left := until - time.monotonic()) > 0:
        news.wait(left)
        news.clear()


def short_of(step: int, feeds: Sequence[Feed]) -> bool:
    """Tell whether fewer than `step` answers wait to be heard, and more are to come."""
    waiting, coming = 0, False
    for feed in feeds:
        waiting += len(feed.answers)
        coming = coming or feed.more_to_come
    return coming and waiting < step
