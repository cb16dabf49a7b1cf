"""The sending of leased items: one sliding window, committed here, and a sender's thread per transport.

Read `step` top to bottom: answers in; the next deliveries chosen; one transaction that records the ones
and intends the others; and only then the belts. Senders go on while it commits. Intended minus recorded
never passes the window, so a kill leaves at most that many uncertain.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable

from courierx_core import failpoints
from courierx_core.courier import Courier
from courierx_core.delivery.batch import Batch
from courierx_core.delivery.choose import STORE_RETRY_SECONDS, choose, has_read
from courierx_core.delivery.claim import ITEMS_AHEAD, claim_send
from courierx_core.delivery.feed import Feed, Intended, await_step, boottime
from courierx_core.delivery.judge import Attempt, Verdict, follow_ups, judge
from courierx_core.delivery.line import Crew, Line, OpenItem
from courierx_core.errors import StoreError
from courierx_core.log_ids import about
from courierx_core.messages.model import Message
from courierx_core.metrics.model import DELIVERIES
from courierx_core.ports.ledger import ItemMove, Ledger, WindowAnswer
from courierx_core.ports.queue import Stop
from courierx_core.ports.transport import Accepted, Deferred, Refused, Stream, TransportDown
from courierx_core.work import WorkItem

log = logging.getLogger("courierx.delivery")

TICK_SECONDS = 0.05
"""The longest the run sleeps: slow answers are recorded soon, and a stop is noticed."""
GRACE_SECONDS = 20.0
"""How long a stop waits for answers under way before their rows are recorded as uncertain."""
UNSENDABLE_SECONDS = 60.0
"""When an item that cannot be sent here is due again (a paused one stays held)."""
ITEMS_MAX = 16
"""Items a run holds at most, those that wait for a rate included."""
POLL_SECONDS = 1.0
"""How long after an empty claim the next is tried while others are being sent, unless notified."""
LEASE_SHARE = 0.75
"""The part of a lease that is used; the rest is a margin for clocks and slow commits."""


class SendRun:
    """Sends leased items of one stream until none is left or `stop` is set."""

    def __init__(
        self,
        courier: Courier,
        ledger: Ledger,
        crew: Crew,
        *,
        owner: str,
        stream: Stream,
        stop: Stop,
    ) -> None:
        self.courier, self.ledger, self.crew = courier, ledger, crew
        self.owner, self.stream, self.stop = owner, stream, stop
        self._news = threading.Event()
        self._lines: dict[str, Line] = {}
        self._items: dict[int, OpenItem] = {}
        self._under_way: dict[int, tuple[OpenItem, Attempt, Line]] = {}
        """Intended, committed and unanswered, by delivery id."""
        self._verdicts: list[tuple[OpenItem, Verdict]] = []
        """To be recorded by the next window."""
        self._window = 1
        self._commit_seconds = 0.0
        """How long the last window took to commit."""
        self._lease_end = boottime() + courier.policy.lease_seconds * LEASE_SHARE
        self._stopped_at: float | None = None
        self._next_claim = 0.0
        self._unopened: list[WorkItem] = []
        """Leased, and not loaded because the store was away."""

    def lease_extended(self, asked_at: float) -> None:
        """Take the heartbeat's word (from its own thread): leases were renewed at boot time `asked_at`."""
        self._lease_end = asked_at + self.courier.policy.lease_seconds * LEASE_SHARE
        for feed in self._feeds:
            feed.deadline = self._lease_end

    def notified(self) -> None:
        """Claim soon (from any thread): work became ready."""
        self._next_claim = 0.0
        self._news.set()

    def run(self, items: Iterable[WorkItem]) -> None:
        """Send `items` and whatever can be claimed after them."""
        try:
            self._take(items)
            while self._items or (self._unopened and self._stopped_at is None):
                self.step()
        finally:
            for feed in self._feeds:
                feed.finish()
            self.crew.allowances.give_back()
            self.crew.warmups.give_back()

    def step(self) -> None:
        """Turn the window once."""
        self._wait()
        self._hear()
        batches: defaultdict[int, Batch] = defaultdict(Batch)
        for item, verdict in self._verdicts:
            batches[item.item.tenant_id].record(item, verdict)
        self._verdicts.clear()
        for tenant_id, batch in batches.items():
            outcomes = batch.outcomes()
            self.crew.allowances.answered(tenant_id, [each.tries > 0 for each in outcomes])
            self.crew.warmups.answered(outcomes)
        if self._stopped_at is None:
            self._claim_ahead()
            self._intend(batches)
        self._leave(batches)
        for tenant_id, batch in batches.items():
            tracing = self.courier.hooks.tracing
            with about(tenant_id=tenant_id), tracing.span("window", tenant_id=tenant_id) as note:
                note("recorded", len(batch.verdicts))
                note("intended", len(batch.intents))
                self._commit(tenant_id, batch)
        self._read_ahead()

    # Waiting, and what the answers say.

    def _wait(self) -> None:
        """Sleep until a step's worth of answers, a dry belt, a rate that allows more, or a tick.

        One that is woken early, by a dry belt say, gives a step's worth as long to come as a commit takes: a
        transaction costs the same for two answers as for twenty, and an uneven step begets uneven ones."""
        now = time.monotonic()
        waits = [line.not_before - now for line in self._lines.values() if line.items]
        if not (waits and min(waits) <= 0 and not self._under_way) and not self._verdicts:
            self._news.wait(min([TICK_SECONDS, *(wait for wait in waits if wait > 0)]))
            self._news.clear()
            await_step(self._step, self._feeds, self._news, min(TICK_SECONDS, self._commit_seconds))
        self._news.clear()
        if self._stopped_at is None and self.stop.is_set():
            self._stopped_at = time.monotonic()

    def _out_of_patience(self) -> bool:
        return self._stopped_at is not None and time.monotonic() - self._stopped_at > GRACE_SECONDS

    def _hear(self) -> None:
        """Judge what the senders said, and put back what they never got to hand over."""
        policy, now = self.courier.policy, self.courier.runtime.now()
        for line in self._lines.values():
            feed = line.feed
            if feed is None:
                continue
            over = feed.over  # looked at before the answers: then all of a finished sender's are there
            rest, why = line.health.backoff(), ""
            answers = feed.answers
            while answers:
                receipt = answers.popleft()
                found = self._under_way.pop(receipt.id, None)
                if found is None:  # given up on after a stop
                    continue
                item, attempt, _ = found
                line.under_way -= 1
                at_fault = isinstance(receipt, Deferred | Refused) and receipt.scope == "transport"
                other = at_fault and self.crew.elsewhere(item.message, item.transport)
                self._verdicts.append((item, judge(receipt, attempt, policy, now, rest, elsewhere=other)))
                if isinstance(receipt, Accepted):
                    line.health.works()
                elif isinstance(receipt, Deferred) and receipt.scope == "transport":
                    why = receipt.reply
            if why and not over and not line.health.left():
                line.rest(rest, why)
            if over or self._stopped_at is not None:
                self._put_back(feed.take_back(), str(feed.failure or ""))
            if over:
                self._sender_returned(line)
        if self._out_of_patience():
            self._give_up_waiting()

    def _put_back(self, unsent: Iterable[Intended], why: str) -> None:
        for intended in unsent:
            item, attempt, line = self._under_way.pop(intended.recipient.id)
            line.under_way -= 1
            self._verdicts.append((item, Verdict(attempt.put_back(reply=why), 0.0)))

    def _give_up_waiting(self) -> None:
        why = f"no answer within {GRACE_SECONDS:.0f} s of a stop"
        for item, attempt, _ in self._under_way.values():
            self._verdicts.append((item, Verdict(attempt.ends("uncertain", reason=why, stage="answer"))))
        self._under_way.clear()

    def _sender_returned(self, line: Line) -> None:
        """After an outage the line rests, longer each time; its items go back, due when it is over."""
        feed, line.feed = line.feed, None
        if feed is not None and feed.failure is not None:
            asked = feed.failure.retry_after if isinstance(feed.failure, TransportDown) else None
            line.rest(asked or line.health.backoff(), str(feed.failure))

    # The window.

    @property
    def _feeds(self) -> list[Feed]:
        return [feed for line in list(self._lines.values()) if (feed := line.feed) is not None]

    @property
    def _step(self) -> int:
        return max(1, self._window // 2)

    def _intend(self, batches: defaultdict[int, Batch]) -> None:
        """Choose as many as there is room for, each line its share."""
        now = time.monotonic()
        lines = [line for line in self._lines.values() if line.ready(now)]
        total = self._window - len(self._under_way)
        for line in lines:
            room = min(total, max(1, self._window // len(lines)) - line.under_way)
            while room > 0 and line.ready(now):
                item = line.items[0]
                if has_read(self.courier, self.ledger, line, item):
                    batch = batches[item.item.tenant_id]
                    chosen = choose(self.courier, self.crew, line, self.stream, room)
                    batch.refuse(item)  # before the cursor passes them
                    batch.intend(item, chosen)
                    room, total = room - len(chosen), total - len(chosen)
                if item.exhausted or item.postponed:
                    line.items.popleft()

    def _read_ahead(self) -> None:
        """Have the next item's rows before this one's are gone, now that the senders have work."""
        for line in self._lines.values():
            if len(line.items) > 1 and len(line.items[0].rows) < self._window and self._stopped_at is None:
                has_read(self.courier, self.ledger, line, line.items[1])

    def _leave(self, batches: defaultdict[int, Batch]) -> None:
        """Bring in what nothing else moves: items that are over, lost, or to be given back."""
        for item in self._items.values():
            if not item.unresolved and (item.exhausted or self._gives_back(item)):
                batches[item.item.tenant_id].items[item.id] = item

    def _gives_back(self, item: OpenItem) -> bool:
        if self._stopped_at is not None or item.postponed:
            return True
        return self._lines[item.transport].health.left() > 0

    def _commit(self, tenant_id: int, batch: Batch) -> None:
        """Record and intend in one transaction; then, and only then, fill the belts."""
        moves = [self._move(item) for item in batch.items.values()]
        answer = self._write(tenant_id, moves, batch)
        self._fill(batch, answer)
        if log.isEnabledFor(logging.DEBUG):
            batch.tell(log)
        for (transport, state), n in batch.ends().items():
            self.courier.tallies.count(DELIVERIES, transport, state, n, tenant_id=tenant_id)
        if self.courier.hooks.has_after_send and batch.verdicts:
            self.courier.hooks.after_send(batch.outcomes())
        self._pause(batch)
        for move in moves:
            self._moved(move, batch.items[move.id], answer)

    def _pause(self, batch: Batch) -> None:
        """Pause transports that refused our side, messages whose sender was refused or which mostly fail."""
        for name, why in {v.outcome.transport: v.stop for v in batch.verdicts if v.stop}.items():
            self.crew.stop(name, why)
            self._lines[name].rest(UNSENDABLE_SECONDS, why)
        reasons = {v.outcome.message_id: v.pause for v in batch.verdicts if v.pause}
        for message in {item.message.id: item.message for item in batch.items.values()}.values():
            reason = reasons.get(message.id) or self.crew.judge(
                message, [v.outcome for v in batch.verdicts if v.outcome.message_id == message.id]
            )
            if reason:
                self.crew.pause(message, reason)

    def _move(self, item: OpenItem) -> ItemMove:
        back = self._gives_back(item)
        rest = self.crew.wait(item.message) if back else 0.0
        return item.move(give_back=back, delay_seconds=max(rest, item.postponed))

    def _write(self, tenant_id: int, moves: list[ItemMove], batch: Batch) -> WindowAnswer:
        """Commit one window, again and again while the store is away: a repeat changes nothing twice."""
        messages = {item.message.id: item.message for item in batch.items.values()}
        outcomes = batch.outcomes()
        intents = [attempt.recipient.id for _, attempt in batch.intents]
        further = follow_ups(batch.verdicts, messages)
        while True:
            began = time.monotonic()
            try:
                answer = self.ledger.window(tenant_id, moves, outcomes, intents, further, self.stream)
            except StoreError as error:
                if self._out_of_patience():
                    raise
                log.warning("the store did not take a window, trying again: %s", error)
                time.sleep(STORE_RETRY_SECONDS)
                if self._stopped_at is None and self.stop.is_set():
                    self._stopped_at = time.monotonic()
                continue
            self._commit_seconds = time.monotonic() - began
            if failpoints.armed:
                if outcomes:
                    failpoints.hit("after_record")
                if intents:
                    failpoints.hit("after_intent")
            return answer

    def _moved(self, move: ItemMove, item: OpenItem, answer: WindowAnswer) -> None:
        if move.id in answer.held_on:
            item.kept = move.cursor, move.counts
        else:
            item.lose()
        if move.state == "leased":
            return
        self._items.pop(item.id, None)
        item.lost = True  # gone from here, whatever its line still holds of it
        if move.id not in answer.held_on:
            self.crew.item_lost(item.message)
        elif move.state == "done" and not self._has_more(item.message):
            self.crew.item_done(item.message)

    def _has_more(self, message: Message) -> bool:
        """Another item of the message is here: whoever ends the last one sees to its completion."""
        return any(item.message.id == message.id for item in self._items.values())

    def _fill(self, batch: Batch, answer: WindowAnswer) -> None:
        """Put what was intended on the belts; what was suppressed meanwhile is recorded next time."""
        belts: defaultdict[str, list[Intended]] = defaultdict(list)
        for item, attempt in batch.intents:
            if item.id not in answer.held_on:
                item.unresolved -= 1
                self.crew.allowances.answered(item.item.tenant_id, [False])
                self.crew.warmups.spare(attempt.transport)
                continue
            recipient = attempt.recipient
            cause = answer.suppressed.get(recipient.id)
            if cause is not None:
                self._verdicts.append((item, Verdict(attempt.ends("suppressed", tries=0, reason=cause))))
                continue
            self._under_way[recipient.id] = item, attempt, self._lines[attempt.transport]
            belts[attempt.transport].append(Intended(item.renderer, recipient))
        for name, intended in belts.items():
            line = self._lines[name]
            line.under_way += len(intended)
            feed = line.belt(self._news, self._step, self._lease_end)
            if feed.starved:
                feed.starved = False
                self._resize(self._window * 2)
            feed.push(intended)

    # What comes after.

    def _take(self, items: Iterable[WorkItem]) -> None:
        for item in items:
            try:
                opened = self._opened(item)
            except StoreError as error:
                log.warning("the store did not give item %s, trying again: %s", item.id, error)
                self._unopened.append(item)
                continue
            if opened is None:
                continue
            self._items[item.id] = opened
            name = opened.transport
            line = self._lines.get(name)
            if line is None or line.spent:
                line = self._lines[name] = self.crew.line(name)
                self._resize(max(self._window, 2 * line.traits.max_concurrency))
            line.items.append(opened)

    def _opened(self, item: WorkItem) -> OpenItem | None:
        """Load an item, or give it back and return None. One that was swept while answers of its last
        lease are under way here has to wait until those are recorded: else the old lease's cursor would
        be taken for the new one's, and rows between them skipped."""
        again = item.id in self._items
        opened = None if again else self.crew.open_item(item)
        if opened is None:
            delay = POLL_SECONDS if again else UNSENDABLE_SECONDS
            left = ItemMove(item.id, item.epoch, item.cursor, item.counts, "ready", delay)
            self.ledger.window(item.tenant_id, [left])
        return opened

    def _resize(self, window: int) -> None:
        """Let the window grow, to twice the connections at first and on while commits are what limits."""
        self._window = max(1, min(window, self.courier.policy.window))
        for feed in self._feeds:
            feed.step = self._step

    def _claim_ahead(self) -> None:
        """Lease more before there is nothing left to intend."""
        now = time.monotonic()
        moving = [item for line in self._lines.values() if line.not_before <= now for item in line.items]
        ahead = sum(not item.exhausted for item in moving)
        if now < self._next_claim or ahead >= ITEMS_AHEAD or len(self._items) >= ITEMS_MAX:
            return
        self._next_claim = now + POLL_SECONDS
        items, self._unopened = self._unopened, []
        try:
            items = items or claim_send(self.courier, self.ledger, self.owner, self.stream)
        except StoreError as error:
            log.warning("the store gave no work, trying again: %s", error)
        if items:
            self._next_claim = 0.0
        self._take(items)
