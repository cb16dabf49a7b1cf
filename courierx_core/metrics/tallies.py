"""What one process counts, kept in memory and added to the store's tallies now and then.

Counted where it happens and written by whoever comes past: a worker's keeper at each heartbeat, the API
when it is asked for metrics, everybody at the end. A kill loses what was counted since, some seconds of it;
the reports, which lose nothing, count in the ledger.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Any

from courierx_core.errors import StoreError
from courierx_core.metrics.model import Family
from courierx_core.ports.metrics import NO_TENANT, Tally
from courierx_core.ports.store import Store

log = logging.getLogger("courierx.metrics")


class Tallies:
    """Counts that wait to be written, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Counter[tuple[str, int, str, str]] = Counter()

    def count(
        self, family: Family, source: str, outcome: str, n: int = 1, *, tenant_id: int = NO_TENANT
    ) -> None:
        """Count `n` more of a family; its labels after the tenant are `source` and `outcome`."""
        with self._lock:
            self._waiting[family.tally, tenant_id, source, outcome] += n

    def write(self, store: Store[Any]) -> None:
        """Add what waits to the store's; while that is away it goes on waiting."""
        with self._lock:
            waiting, self._waiting = self._waiting, Counter()
        if not waiting:
            return
        try:
            with store.platform() as platform:
                platform.metrics.add([Tally(*key, n) for key, n in waiting.items()])
        except StoreError as error:
            log.info("what was counted waits for the store: %s", error)
            with self._lock:
                self._waiting.update(waiting)
