"""The sending of leased items: one sliding window, a committer here, a sender's thread per transport.

Read `step` top to bottom: answers in, the next deliveries chosen, one transaction that records the ones
and intends the others, and only then the belt. Intended minus recorded never passes the window, so a
kill leaves at most that many uncertain.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol

from courierx_core import failpoints
from courierx_core.courier import Courier
from courierx_core.delivery.choose import choose
from courierx_core.delivery.feed import boottime
from courierx_core.delivery.judge import Attempt, Verdict, group_retries, judge
from courierx_core.delivery.line import Batch, Line, OpenItem
from courierx_core.errors import StoreError
from courierx_core.messages.model import Message
from courierx_core.ports.ledger import ItemMove, Ledger, WindowAnswer
from courierx_core.ports.queue import Stop
from courierx_core.ports.transport import Accepted, Deferred, Envelope, Stream, TransportDown
from courierx_core.work import WorkItem

log = logging.getLogger("courierx.delivery")

TICK_SECONDS = 0.05
"""The longest the committer sleeps: slow answers are recorded soon, and a stop is noticed."""
GRACE_SECONDS = 20.0
"""How long a stop waits for answers under way before their rows are recorded as uncertain."""
STORE_RETRY_SECONDS = 0.25
UNSENDABLE_SECONDS = 60.0
"""When an item that cannot be sent here is due again (a paused one stays held)."""
ITEMS_AHEAD = 2
"""Items with rows left that a run likes to hold: one being sent, one to go on with."""
ITEMS_MAX = 16
"""Items a run holds at most, those that wait for a rate included."""
SMALL_ITEMS = 50
"""Single messages are items of their own: so many are leased in one claim."""
POLL_SECONDS = 1.0
"""How long after an empty claim the next is tried while others are being sent, unless notified."""
LEASE_SHARE = 0.75
"""The part of a lease that is used; the rest is a margin for clocks and slow commits."""


class Crew(Protocol):
    """What a run asks of its worker."""

    def open_item(self, item: WorkItem) -> OpenItem | None:
        """Load and compile the item's message; None when it cannot be sent now, and was seen to."""

    def line(self, transport: str) -> Line:
        """Return the line of a transport that this process has."""

    def item_done(self, message: Message) -> None:
        """Complete the message, if that was its last item."""

    def pause(self, message: Message, reason: str) -> None:
        """Hold the message: its transport refused our side, or its plugin keeps failing."""


class SendRun:
    """Sends leased items of one stream until none is left or `stop` is set."""

    def __init__(
        self, courier: Courier, ledger: Ledger, crew: Crew, *, owner: str, stream: Stream, stop: Stop
    ) -> None:
        self.courier, self.ledger, self.crew = courier, ledger, crew
        self.owner, self.stream, self.stop = owner, stream, stop
        self._news = threading.Event()
        self._lines: dict[str, Line] = {}
        self._items: dict[int, OpenItem] = {}
        self._under_way: dict[int, tuple[OpenItem, Attempt]] = {}
        """Intended and unrecorded, by delivery id."""
        self._late: list[tuple[OpenItem, Verdict]] = []
        """Decided by the last commit, to be recorded by the next."""
        self._window = 1
        self._lease_end = boottime() + courier.policy.lease_seconds * LEASE_SHARE
        self._stopped_at: float | None = None
        self._next_claim = 0.0

    def lease_extended(self, asked_at: float) -> None:
        """Take the heartbeat's word (from its own thread): leases were renewed at boot time `asked_at`."""
        self._lease_end = asked_at + self.courier.policy.lease_seconds * LEASE_SHARE
        for line in list(self._lines.values()):
            if line.feed is not None:
                line.feed.deadline = self._lease_end

    def notified(self) -> None:
        """Claim soon (from any thread): work became ready."""
        self._next_claim = 0.0
        self._news.set()

    def run(self, items: Iterable[WorkItem]) -> None:
        """Send `items` and whatever can be claimed after them."""
        self._take(items)
        while self._items:
            self.step()
        for line in self._lines.values():
            if line.feed is not None:
                line.feed.finish()

    def step(self) -> None:
        """Turn the window once."""
        self._wait()
        batches: defaultdict[int, Batch] = defaultdict(Batch)
        self._answers(batches)
        if not self._stopping():
            self._claim_ahead()
            self._choose(batches)
        self._leave(batches)
        for tenant_id, batch in batches.items():
            self._commit(tenant_id, batch)

    # Waiting, and what the answers say.

    def _wait(self) -> None:
        waits = [line.not_before - time.monotonic() for line in self._lines.values() if line.items]
        room = len(self._under_way) < self._window
        if not (room and waits and min(waits) <= 0) or self._under_way:
            self._news.wait(min([TICK_SECONDS, *(w for w in waits if w > 0)]))
        self._news.clear()
        if self._stopped_at is None and self.stop.is_set():
            self._stopped_at = time.monotonic()

    def _stopping(self) -> bool:
        return self._stopped_at is not None

    def _answers(self, batches: defaultdict[int, Batch]) -> None:
        """Judge what the senders said, and put back what they never got to hand over."""
        policy, now = self.courier.policy, self.courier.runtime.now()
        late, self._late = self._late, []
        for item, verdict in late:
            self._record(batches, item, verdict)
        for line in self._lines.values():
            feed = line.feed
            if feed is None:
                continue
            over = feed.over  # looked at before the answers: then all of a finished sender's are there
            rest, why = line.backoff(), ""
            while feed.answers:
                receipt = feed.answers.popleft()
                item, attempt = self._under_way.pop(receipt.id)
                line.under_way -= 1
                self._record(batches, item, judge(receipt, attempt, policy, now, rest))
                if isinstance(receipt, Accepted):
                    line.failures = 0
                elif isinstance(receipt, Deferred) and receipt.scope == "transport":
                    why = receipt.reply
            if why and not over and not line.resting():
                line.rest(rest, why)
            if over or self._stopping():
                for envelope in feed.take_back():
                    item, attempt = self._under_way.pop(envelope.id)
                    line.under_way -= 1
                    self._record(batches, item, Verdict(attempt.put_back(), 0.0))
            if over:
                self._line_ended(line)
        if self._stopped_at is not None and time.monotonic() - self._stopped_at > GRACE_SECONDS:
            self._give_up_waiting(batches)

    def _record(self, batches: defaultdict[int, Batch], item: OpenItem, verdict: Verdict) -> None:
        item.unresolved -= 1
        item.record(verdict)
        batch = batches[item.item.tenant_id]
        batch.items[item.id] = item
        batch.verdicts.append(verdict)

    def _give_up_waiting(self, batches: defaultdict[int, Batch]) -> None:
        why = f"no answer within {GRACE_SECONDS:.0f} s of a stop"
        for item, attempt in self._under_way.values():
            self._record(batches, item, Verdict(attempt.ends("uncertain", reason=why, stage="answer")))
        self._under_way.clear()

    def _line_ended(self, line: Line) -> None:
        """After an outage the line rests, longer each time; its items go back, due when it is over."""
        feed, line.feed = line.feed, None
        if feed is not None and feed.failure is not None:
            asked = feed.failure.retry_after if isinstance(feed.failure, TransportDown) else None
            line.rest(asked or line.backoff(), str(feed.failure))

    # Choosing what goes next.

    def _take(self, items: Iterable[WorkItem]) -> None:
        for item in items:
            opened = self.crew.open_item(item)
            if opened is None:
                left = ItemMove(item.id, item.epoch, item.cursor, item.counts, "ready", UNSENDABLE_SECONDS)
                self.ledger.window(item.tenant_id, [left])
                continue
            self._items[item.id] = opened
            name = opened.message.transport
            line = self._lines.get(name)
            if line is None:
                line = self._lines[name] = self.crew.line(name)
                self._resize(max(self._window, 2 * line.traits.max_concurrency))
            line.items.append(opened)

    def _resize(self, window: int) -> None:
        self._window = max(1, min(window, self.courier.policy.window))
        for line in self._lines.values():
            if line.feed is not None:
                line.feed.step = max(1, self._window // 2)

    def _claim_ahead(self) -> None:
        """Lease more before the belts run dry."""
        now = time.monotonic()
        moving = [item for line in self._lines.values() if line.not_before <= now for item in line.items]
        ahead = sum(not item.exhausted for item in moving)
        if now < self._next_claim or ahead >= ITEMS_AHEAD or len(self._items) >= ITEMS_MAX:
            return
        self._next_claim = now + POLL_SECONDS
        items = claim_send(self.courier, self.ledger, self.owner, self.stream)
        if items:
            self._next_claim = 0.0
        self._take(items)

    def _choose(self, batches: defaultdict[int, Batch]) -> None:
        active = [line for line in self._lines.values() if line.items]
        total = self._window - len(self._under_way) - len(self._late)
        for line in active:
            room = min(total, self._window // len(active) - line.under_way)
            while room > 0 and line.items and time.monotonic() >= line.not_before:
                item, taken = line.items[0], 0
                if not item.lost:
                    batch = batches[item.item.tenant_id]
                    taken = choose(self.courier, self.ledger, line, self.stream, room, batch)
                    room, total = room - taken, total - taken
                if item.exhausted:
                    line.items.popleft()

    def _leave(self, batches: defaultdict[int, Batch]) -> None:
        """Bring in the items that nothing else moves: those to give back, and lost ones answered."""
        for item in self._items.values():
            if not item.unresolved and (item.lost or self._gives_back(item)):
                batches[item.item.tenant_id].items[item.id] = item

    def _gives_back(self, item: OpenItem) -> bool:
        return self._stopping() or self._lines[item.message.transport].resting()

    # The transaction.

    def _commit(self, tenant_id: int, batch: Batch) -> None:
        """Record, intend, and only then fill the belts."""
        moves = []
        for item in batch.items.values():
            line = self._lines[item.message.transport]
            rest = line.not_before - time.monotonic() if line.resting() else 0.0
            moves.append(item.move(give_back=self._gives_back(item), delay_seconds=rest))
        answer = self._write(tenant_id, moves, batch)
        for move in moves:
            self._moved(move, batch.items[move.id], answer)
        self._fill(batch, answer)
        if self.courier.hooks.has_after_send and batch.verdicts:
            self.courier.hooks.after_send([verdict.outcome for verdict in batch.verdicts])
        refused = {v.outcome.message_id: v for v in batch.verdicts if v.pause}
        for verdict in refused.values():
            self.crew.pause(batch.items[verdict.outcome.item_id].message, verdict.pause)

    def _write(self, tenant_id: int, moves: list[ItemMove], batch: Batch) -> WindowAnswer:
        """Commit one window, again and again while the store is away: a repeat changes nothing twice."""
        messages = {item.message.id: item.message for item in batch.items.values()}
        outcomes = [verdict.outcome for verdict in batch.verdicts]
        intents = [envelope.id for _, _, envelope in batch.intents]
        retries = group_retries(batch.verdicts, messages)
        while True:
            try:
                answer = self.ledger.window(tenant_id, moves, outcomes, intents, retries, self.stream)
            except StoreError as error:
                if self._stopped_at and time.monotonic() - self._stopped_at > GRACE_SECONDS:
                    raise
                log.warning("the store did not take a window, trying again: %s", error)
                time.sleep(STORE_RETRY_SECONDS)
                if self._stopped_at is None and self.stop.is_set():
                    self._stopped_at = time.monotonic()
                continue
            if failpoints.armed:
                failpoints.hit("after_record" if outcomes else "after_intent")
                failpoints.hit("after_intent" if intents else "after_record")
            return answer

    def _moved(self, move: ItemMove, item: OpenItem, answer: WindowAnswer) -> None:
        if move.id not in answer.held_on:
            item.lost = True
            item.rows.clear()
        if move.state != "leased":
            self._items.pop(item.id, None)
        if move.state == "done" and not item.lost:
            self.crew.item_done(item.message)

    def _fill(self, batch: Batch, answer: WindowAnswer) -> None:
        """Put what was intended on the belts; what was suppressed meanwhile is recorded next time."""
        belts: defaultdict[str, list[Envelope]] = defaultdict(list)
        for item, attempt, envelope in batch.intents:
            if item.lost:
                item.unresolved -= 1
                continue
            cause = answer.suppressed.get(envelope.id)
            if cause is not None:
                verdict = Verdict(attempt.ends("suppressed", tries=0, reason=cause))
                self._late.append((item, verdict))
                continue
            self._under_way[envelope.id] = item, attempt
            belts[attempt.transport].append(envelope)
        for name, envelopes in belts.items():
            line = self._lines[name]
            line.under_way += len(envelopes)
            feed = line.belt(self._news, max(1, self._window // 2), self._lease_end)
            if feed.starved:
                feed.starved = False
                self._resize(self._window * 2)
            feed.push(envelopes)
        if self._late:
            self._news.set()


def claim_send(courier: Courier, ledger: Ledger, owner: str, stream: Stream) -> list[WorkItem]:
    """Lease the next send items of a stream: few large ones, or many single messages."""
    items = ledger.claim(
        owner,
        limit=ITEMS_AHEAD if stream == "broadcast" else SMALL_ITEMS,
        lease_seconds=courier.policy.lease_seconds,
        topics=("send",),
        stream=stream,
    )
    if items and failpoints.armed:
        failpoints.hit("after_claim")
    return items
