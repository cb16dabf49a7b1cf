"""A worker: lanes that never wait for each other, a heartbeat for their leases, a sweep for the dead.

A notification only wakes a lane; what there is to do, the lane finds in `work`. So a lost notification
costs a few seconds, and any number of workers is safe.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from courierx_core import adoption
from courierx_core.campaigns import reputation
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.due import start_scheduled
from courierx_core.courier import Courier
from courierx_core.delivery import service as deliveries
from courierx_core.delivery.claim import claim_send, claim_size
from courierx_core.delivery.crew import SendCrew
from courierx_core.delivery.feed import boottime
from courierx_core.delivery.run import SendRun
from courierx_core.domains import service as domains
from courierx_core.errors import CourierXError, Fenced, StoreError
from courierx_core.feedback.refusals import hear_refusals
from courierx_core.feedback.service import match_kept
from courierx_core.imports.run import take_in
from courierx_core.log_ids import about
from courierx_core.messages.service import settle_message
from courierx_core.metrics.model import DELIVERIES, LEASES_EXPIRED
from courierx_core.notify import notify
from courierx_core.ports.ledger import Ledger, Swept
from courierx_core.ports.queue import Stop
from courierx_core.ports.transport import Stream
from courierx_core.tenants.service import everyone
from courierx_core.upkeep.daily import plan, remove_old
from courierx_core.webhooks.run import tell
from courierx_core.work import Topic, WorkItem

log = logging.getLogger("courierx.worker")

Task: TypeAlias = Callable[[Courier, WorkItem], None]
"""What does one leased item of a topic; it saves its progress through `unit.work.advance`."""

TASKS: Mapping[Topic, Task] = {
    "snapshot": campaigns.snapshot,
    "schedule": start_scheduled,
    "resend": deliveries.resend_uncertain,
    "refusal": hear_refusals,
    "import": take_in,
    "domain_check": domains.check,
    "prune": remove_old,
}
WEBHOOKS: Mapping[Topic, Task] = {"webhook": tell}
"""Apart from the others: however slow a receiver is, nothing but other receivers' calls waits for it."""
WEBHOOKS_ABREAST = 8
"""Receivers of one tenant that are called at the same time."""

POLL_SECONDS = 1.0
"""How often a lane looks by itself, notified or not."""
BUSY_SECONDS = 0.05
"""How soon a lane looks again for what is due and was not to be had: another was just taking it."""
RETRY_SECONDS = 30.0
"""When a failed background task is tried again."""
GC_THRESHOLD = 50_000
KEEP_SECONDS = 3600.0
"""How often the store is asked to make what the calendar will need, and it is seen to that what is kept no
longer is removed."""
LEFT_OVER_SECONDS = 30.0
"""How often messages are looked for whose last worker died before it could see to their end, campaigns of
which too much comes back, and deliveries for the feedback that came before its provider's answer."""


def owner_name(name: str = "") -> str:
    """Make a name for this process's leases that no other process, boot or host has."""
    return f"{name or socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(4)}"


class Watch:
    """Whether the database was ours to send for a moment ago (LEDGER: adoption). A process that was
    suspended, or whose store was away, finds that it must look again before it works."""

    def __init__(self, courier: Courier, owner: str) -> None:
        self.courier, self.owner = courier, owner
        self._found_at = -math.inf
        self._said = ""

    def look(self) -> None:
        """Say that this worker lives, and look whose database it is."""
        asked_at = boottime()
        why = adoption.check(self.courier, self.owner)
        self._found_at = -math.inf if why else asked_at
        if why and not self._said:
            log.warning("nothing is sent: %s. %s", why, adoption.WAY_ON)
        self._said = why

    def ours(self) -> bool:
        return boottime() - self._found_at < adoption.silence(self.courier.policy)


class Lane:
    """One thread's kind of work, woken by notifications and by the clock."""

    def __init__(self, courier: Courier, owner: str, stop: Stop, watch: Watch) -> None:
        self.courier, self.owner, self.stop, self.watch = courier, owner, stop, watch
        self.wake = threading.Event()
        self._ledger: Ledger | None = None

    def notified(self) -> None:
        self.wake.set()

    def renewed(self, asked_at: float) -> None:
        """Hear that the owner's leases were extended at boot time `asked_at`."""

    def work(self, ledger: Ledger) -> bool:
        """Do what is due; True when something was done."""
        raise NotImplementedError

    def run(self) -> None:
        """Work until told to stop; a store that is away is waited for."""
        while not self.stop.is_set():
            try:
                if self._ledger is None:
                    self._ledger = self.courier.store.ledger()
                if self.watch.ours() and self.work(self._ledger):
                    continue
            except StoreError as error:
                log.warning("%s: %s", type(self).__name__, error)
            except Exception:  # a lane must outlive one bad item; its lease expires and is swept
                log.exception("%s failed", type(self).__name__)
            self.wake.wait(self._pause())
            self.wake.clear()
        self.close()

    def _pause(self) -> float:
        """Return how long to wait, unless notified: until something is due."""
        try:
            due = self.next_due(self._ledger) if self._ledger is not None and self.watch.ours() else None
        except StoreError:
            due = None
        return POLL_SECONDS if due is None else min(max(due, BUSY_SECONDS), POLL_SECONDS)

    def next_due(self, ledger: Ledger) -> float | None:
        """Return the seconds until the lane's next item is due."""
        raise NotImplementedError

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()


class SendLane(Lane):
    """Sends one stream's items, run after run, over sessions that stay open between them."""

    def __init__(self, courier: Courier, owner: str, stop: Stop, watch: Watch, stream: Stream) -> None:
        super().__init__(courier, "", stop, watch)
        self.worker = owner
        self.stream: Stream = stream
        self._crew = SendCrew(courier)
        self._run: SendRun | None = None
        self._runs = 0

    def notified(self) -> None:
        super().notified()
        if self._run is not None:
            self._run.notified()

    def renewed(self, asked_at: float) -> None:
        if self._run is not None:
            self._run.lease_extended(asked_at)

    def work(self, ledger: Ledger) -> bool:
        owner = f"{self.worker}:{self.stream}:{self._runs}"
        items = claim_send(self.courier, ledger, owner, self.stream)
        if not items:
            return False
        if len(items) == claim_size(self.stream):
            # A notification may have woken this worker alone: what it leaves is for the next one.
            notify(self.courier, self.stream)
        # A run owns its leases under a name of its own: what a failed one leaves is not renewed.
        self._runs += 1
        self.owner = owner
        self._run = SendRun(self.courier, ledger, self._crew, owner=owner, stream=self.stream, stop=self.stop)
        try:
            with self.courier.hooks.tracing.span(f"work send {self.stream}", tenant_id=items[0].tenant_id):
                self._run.run(items)
        finally:
            self._run, self.owner = None, ""
        return True

    def next_due(self, ledger: Ledger) -> float | None:
        return ledger.next_due(topics=("send",), stream=self.stream)

    def close(self) -> None:
        self._crew.close()
        super().close()


class TaskLane(Lane):
    """Does everything that is not sending: snapshots, schedules, imports ... `abreast` items at a time."""

    def __init__(
        self,
        courier: Courier,
        owner: str,
        stop: Stop,
        watch: Watch,
        tasks: Mapping[Topic, Task],
        abreast: int = 1,
    ) -> None:
        super().__init__(courier, "", stop, watch)
        self.worker = f"{owner}:{next(iter(tasks), '')}"
        self.tasks = tasks
        self.abreast = abreast
        self._claims = 0

    def work(self, ledger: Ledger) -> bool:
        # A name of its own for each claim: a lease that an outage left behind must expire, not be renewed.
        self.owner = f"{self.worker}:{self._claims}"
        lease = self.courier.policy.lease_seconds
        try:
            items = ledger.claim(
                self.owner, limit=self.abreast, lease_seconds=lease, topics=tuple(self.tasks)
            )
            if items:
                self._claims += 1
            if len(items) > 1:
                with ThreadPoolExecutor(len(items), "courierx-task") as pool:
                    list(pool.map(self._do, items))
            elif items:
                self._do(items[0])
        finally:
            self.owner = ""
        return bool(items)

    def next_due(self, ledger: Ledger) -> float | None:
        return ledger.next_due(topics=tuple(self.tasks))

    def _do(self, item: WorkItem) -> None:
        tenant_id, work_id, tracing = item.tenant_id, item.id, self.courier.hooks.tracing
        traced = tracing.span(f"work {item.topic}", tenant_id=tenant_id, work_id=work_id)
        with about(tenant_id=tenant_id, work_id=work_id), traced:
            self._try(item)

    def _try(self, item: WorkItem) -> None:
        try:
            self.tasks[item.topic](self.courier, item)
        except Fenced:
            log.info("%s %s was taken over, paused or cancelled", item.topic, item.id)
        except StoreError:
            raise
        except Exception as error:
            log.exception("%s %s failed; again in %.0f s", item.topic, item.id, RETRY_SECONDS)
            why = str(error) if isinstance(error, CourierXError) else type(error).__name__
            with self.courier.store.begin(item.tenant_id) as unit:
                stored = unit.work.get(item.id)
                unit.work.advance(item, cursor=stored.cursor, error=why, delay_seconds=RETRY_SECONDS)


class Worker:
    """All lanes of one process. `run` blocks until `stop` is set and everything is given back."""

    def __init__(self, courier: Courier, name: str = "", tasks: Mapping[Topic, Task] = TASKS) -> None:
        self.courier = courier
        self.tasks = tasks
        self.owner = owner_name(name)
        self.watch = Watch(courier, self.owner)

    def run(self, stop: Stop) -> None:
        # Sending makes and drops millions of small values, none of them in cycles: to look for cycles
        # among what is loaded once costs a sixth of the processor's time.
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        try:
            self.watch.look()
        except StoreError as error:  # the keeper looks again
            log.warning("waiting for the store: %s", error)
        common = self.courier, self.owner, stop, self.watch
        lanes: dict[str, Lane] = {  # by notify.TOPICS
            "transactional": SendLane(*common, "transactional"),
            "broadcast": SendLane(*common, "broadcast"),
            "tasks": TaskLane(*common, self.tasks),
            "webhooks": TaskLane(*common, WEBHOOKS, WEBHOOKS_ABREAST),
        }
        done = threading.Event()
        threads = [threading.Thread(target=lane.run, name=f"courierx-{name}") for name, lane in lanes.items()]
        keeper = threading.Thread(target=self._keep, args=(lanes, done), name="courierx-keeper")
        for thread in [*threads, keeper]:
            thread.start()
        try:
            self.courier.queue.listen(tuple(lanes), lambda topic: lanes[topic].notified(), stop, POLL_SECONDS)
        finally:
            for lane in lanes.values():
                lane.notified()
            for thread in threads:
                thread.join()
            done.set()
            keeper.join()

    def _keep(self, lanes: Mapping[str, Lane], done: threading.Event) -> None:
        """Look whose database it is, renew leases and sweep dead ones, until the lanes have ended."""
        lease = self.courier.policy.lease_seconds
        ledger: Ledger | None = None
        left_over_at = keep_at = 0.0
        while not done.wait(lease / 6):
            try:
                self.watch.look()
                ledger = ledger or self.courier.store.ledger()
                for lane in lanes.values():
                    asked_at, owner = boottime(), lane.owner
                    if owner:
                        ledger.renew(owner, lease_seconds=lease)
                        lane.renewed(asked_at)
                self._sweep(ledger, lanes)
                self.courier.tallies.write(self.courier.store)
                if boottime() >= left_over_at:
                    left_over_at = boottime() + LEFT_OVER_SECONDS
                    self._settle_left_over()
                    match_kept(self.courier)
                    self._watch_reputation()
                if boottime() >= keep_at:
                    keep_at = boottime() + KEEP_SECONDS
                    with self.courier.store.platform() as platform:
                        platform.keep()
                    if not plan(self.courier):
                        keep_at = 0.0
            except StoreError as error:
                log.warning("heartbeat: %s", error)
            except Exception:
                log.exception("heartbeat failed")
        self.courier.tallies.write(self.courier.store)
        if ledger is not None:
            ledger.close()

    def _sweep(self, ledger: Ledger, lanes: Mapping[str, Lane]) -> None:
        for swept in ledger.sweep():
            log.warning(
                "%s %s of tenant %s: its worker is gone; %s uncertain",
                swept.topic, swept.item_id, swept.tenant_id, swept.uncertain,
                extra={"tenant_id": swept.tenant_id, "work_id": swept.item_id},
            )  # fmt: skip
            self.courier.tallies.count(LEASES_EXPIRED, swept.topic, "swept")
            if swept.topic == "send":
                self._count_uncertain(swept)
                settle_message(self.courier, swept.tenant_id, swept.subject_id)
                lanes[swept.stream].notified()
            else:
                lanes["webhooks" if swept.topic in WEBHOOKS else "tasks"].notified()

    def _count_uncertain(self, swept: Swept) -> None:
        if not swept.uncertain:
            return
        # of a route, nobody is left who knows which of its transports it was: it counts by the route's name
        with self.courier.store.begin(swept.tenant_id, write=False) as unit:
            transport = unit.messages.get(swept.subject_id).transport
        self.courier.tallies.count(
            DELIVERIES, transport, "uncertain", swept.uncertain, tenant_id=swept.tenant_id
        )

    def _watch_reputation(self) -> None:
        for tenant in everyone(self.courier.store):
            reputation.watch(self.courier, tenant.id)

    def _settle_left_over(self) -> None:
        """See to messages whose worker recorded the last answer and died, or lost the store, before it
        could: they are completed, or cancelled to the end."""
        for tenant in everyone(self.courier.store):
            with self.courier.store.begin(tenant.id, write=False) as unit:
                found = unit.messages.left_over()
            for message_id in found:
                settle_message(self.courier, tenant.id, message_id)
