"""Run a worker here until one campaign is done: what `demo`, `send` and `simulate` share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

import msgspec

from courierx_core.campaigns.service import Report, report
from courierx_core.courier import Courier
from courierx_core.errors import StoreError
from courierx_core.feedback.refusals import keep_refusals
from courierx_core.worker import Worker

POLL_SECONDS = 0.1
OVER = ("completed", "cancelled", "paused")


class HiredWorker:
    """A worker in a thread of this process, for the length of a `with` block; leaving it stops it well."""

    def __init__(self, courier: Courier, name: str) -> None:
        self._stop = threading.Event()
        worker = Worker(courier, name)
        self._thread = threading.Thread(target=worker.run, args=(self._stop,), name=f"courierx-{name}")

    def __enter__(self) -> HiredWorker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()


class Finished(msgspec.Struct, frozen=True):
    """A campaign's report at the end, and the wall seconds from the worker's start to it."""

    report: Report
    seconds: float


def send_until_done(
    courier: Courier, tenant_id: int, campaign_id: int, show: Callable[[Report], None] | None = None
) -> Finished:
    """Work until the campaign is completed, cancelled or paused, telling `show` now and then, and until there
    are events of all that was refused.

    Interrupted, it stops as a worker does: answers under way are recorded, the rest stays queued.
    """
    began = time.monotonic()
    with HiredWorker(courier, "here") as worker:
        while True:
            try:
                with courier.store.begin(tenant_id, write=False) as unit:
                    now, message_id = report(unit, campaign_id), unit.campaigns.get(campaign_id).message_id
            except StoreError:  # the worker waits for it too
                if not worker.alive:
                    raise
                time.sleep(POLL_SECONDS)
                continue
            if show is not None:
                show(now)
            if now.status in OVER or not worker.alive:
                finished = Finished(now, time.monotonic() - began)
                break
            time.sleep(POLL_SECONDS)
    if message_id is not None:
        keep_refusals(courier, tenant_id, message_id)
    return finished
