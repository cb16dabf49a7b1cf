"""What a run keeps for each leased item and each transport it sends over."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from courierx_core.delivery.allowance import Allowances
from courierx_core.delivery.domain_rates import DomainRates
from courierx_core.delivery.feed import Feed, Renderer
from courierx_core.delivery.health import Health
from courierx_core.delivery.judge import Verdict
from courierx_core.delivery.sender import Sender
from courierx_core.delivery.warmups import Warmups
from courierx_core.messages.model import Message, Recipient
from courierx_core.ports.ledger import ItemMove, Outcome
from courierx_core.ports.transport import Traits, Transport
from courierx_core.work import WorkItem

log = logging.getLogger("courierx.delivery")


class OpenItem:
    """A leased send item while the window slides over it."""

    __slots__ = (
        "counts",
        "cursor",
        "id",
        "item",
        "kept",
        "lost",
        "message",
        "postponed",
        "read",
        "refused",
        "renderer",
        "rows",
        "transport",
        "unresolved",
    )

    def __init__(self, item: WorkItem, message: Message, transport: str, renderer: Renderer) -> None:
        self.id = item.id
        self.item = item
        self.message = message
        self.transport = transport
        """What carries it while it is leased: the message's own, or one of its route."""
        self.renderer = renderer
        self.cursor = item.cursor
        """Last id whose intent is committed, or is in the window being committed."""
        self.counts = dict(item.counts)
        self.kept: tuple[int, Mapping[str, int]] = item.cursor, item.counts
        """Cursor and counts as the store has them."""
        self.rows: deque[Recipient] = deque()
        """Read, neither intended nor closed."""
        self.refused: list[Verdict] = []
        """Read, may not be mailed, not recorded yet."""
        self.read = False
        """Its rows have been read: what `rows` and `refused` hold is all that is left."""
        self.unresolved = 0
        """Intended or closed, not yet recorded."""
        self.lost = False
        """Fenced: taken over, paused or cancelled. Only answers under way are still recorded."""

        self.postponed = 0.0
        """Seconds until it may be tried again: the tenant's quota is used up. It is to be given back."""

    @property
    def exhausted(self) -> bool:
        """Nothing is left to intend."""
        return self.lost or (self.read and not self.rows and not self.refused)

    def record(self, verdict: Verdict) -> None:
        """Count what one outcome changes."""
        before, after = verdict.outcome.before, verdict.outcome.state
        if before != after:
            self.counts[before] = self.counts.get(before, 0) - 1
            self.counts[after] = self.counts.get(after, 0) + 1

    def lose(self) -> None:
        """Note that it was taken over, paused or cancelled: its last window moved nothing. A resume may
        let it be moved again, and then it must not skip what that window did not intend, nor count twice
        what the store has counted itself."""
        self.lost = True
        self.rows.clear()
        self.refused.clear()
        self.cursor, self.counts = self.kept[0], dict(self.kept[1])

    def move(self, *, give_back: bool, delay_seconds: float) -> ItemMove:
        """Say where the item stands: done, given back (asked for, or lost, and nothing under way), or
        leased still."""
        epoch, counts = self.item.epoch, {state: n for state, n in self.counts.items() if n}
        if self.unresolved:
            return ItemMove(self.id, epoch, self.cursor, counts)
        if self.exhausted and not self.lost:
            return ItemMove(self.id, epoch, self.item.hi, counts, "done")
        if give_back or self.lost:
            return ItemMove(self.id, epoch, self.cursor, counts, "ready", delay_seconds)
        return ItemMove(self.id, epoch, self.cursor, counts)


class Line:
    """One transport's part of a run: its items, its belt, and when it must rest."""

    def __init__(self, transport: Transport[Any], sender: Sender, health: Health) -> None:
        self.transport = transport
        self.health = health
        self.traits: Traits = transport.limits()
        self.sender = sender
        self.items: deque[OpenItem] = deque()
        self.feed: Feed | None = None
        self.under_way = 0
        """Intended and unanswered."""
        self.not_before = health.until
        """Monotonic time before which nothing is intended: a rate, or an outage."""

    @property
    def spent(self) -> bool:
        """Nothing of it is left: its far side may be spoken to anew."""
        return self.feed is None and not self.items and not self.under_way

    def ready(self, now: float) -> bool:
        """It has something to intend, and may, at monotonic time `now`."""
        return bool(self.items) and now >= self.not_before

    def belt(self, news: threading.Event, step: int, deadline: float) -> Feed:
        """Return the running feed, or start one on the sender's thread."""
        if self.feed is None:
            self.feed = Feed(news, self.traits.wants)
            self.feed.step, self.feed.deadline = step, deadline
            self.sender.start(self.feed)
        return self.feed

    def hold(self, seconds: float) -> None:
        """Use the transport no more for a while, though it is well."""
        self.health.hold(seconds)
        self.not_before = self.health.until

    def rest(self, seconds: float, why: str) -> None:
        """Use the transport no more for a while; until then its items go back, due then."""
        log.warning("transport %s: %s; again in %.0f s", self.transport.name, why, seconds)
        self.health.rest(seconds)
        self.not_before = self.health.until


class Crew(Protocol):
    """What a run asks of its worker."""

    @property
    def allowances(self) -> Allowances:
        """What it may send of the tenants' quotas."""

    @property
    def domain_rates(self) -> DomainRates:
        """What recipients' domains take."""

    @property
    def warmups(self) -> Warmups:
        """What transports that are warmed up may send today."""

    def open_item(self, item: WorkItem) -> OpenItem | None:
        """Load and compile the item's message; None when it cannot be sent now, and was seen to."""

    def line(self, transport: str) -> Line:
        """Return the line of a transport that this process has."""

    def wait(self, message: Message) -> float:
        """Return in how many seconds something can carry the message, as far as is known; 0 is now."""

    def elsewhere(self, message: Message, transport: str) -> bool:
        """Tell whether something else than `transport` can carry the message now."""

    def item_done(self, message: Message) -> None:
        """Complete the message, if that was its last item."""

    def item_lost(self, message: Message) -> None:
        """See to a message whose item was taken over, paused or cancelled, now that nothing is under way."""

    def judge(self, message: Message, outcomes: Sequence[Outcome]) -> str:
        """Count what became of the message's deliveries; return why it must pause, or ''."""

    def pause(self, message: Message, reason: str) -> None:
        """Hold the message: its sender was refused, or it mostly fails."""

    def stop(self, transport: str, reason: str) -> None:
        """Pause the transport for everybody: it refused our side."""
