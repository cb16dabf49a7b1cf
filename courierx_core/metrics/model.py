"""Every metric there is: name, labels and what it tells. docs/reference/metrics.md is made from these."""

from __future__ import annotations

from bisect import bisect_left
from typing import Literal, TypeAlias

import msgspec


class Family(msgspec.Struct, frozen=True):
    """A metric, as Prometheus knows it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    @property
    def tally(self) -> str:
        """Return the name under which a counter is kept in the store."""
        return self.name.removeprefix("courierx_").removesuffix("_total")


SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""The upper bounds of a histogram's buckets."""


class Distribution(msgspec.Struct):
    """What a histogram holds of one set of labels."""

    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * len(SECONDS))
    """How many were in each bucket, and in none before it."""
    n: int = 0
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.n += 1
        self.total += seconds
        if (bucket := bisect_left(SECONDS, seconds)) < len(SECONDS):
            self.buckets[bucket] += 1

    def copy(self) -> Distribution:
        return Distribution(list(self.buckets), self.n, self.total)


Samples: TypeAlias = dict[tuple[str, ...], "float | Distribution"]
"""A family's values, by the values of its labels."""

DELIVERIES = Family(
    "courierx_deliveries_total",
    "counter",
    "How attempts on deliveries ended: a state of the ledger, or deferred for each that will be tried again.",
    ("tenant", "transport", "state"),
)
FEEDBACK = Family(
    "courierx_feedback_total",
    "counter",
    "What came back about deliveries, each event once: delivered, deferred, bounced, complained, opened ...",
    ("tenant", "source", "kind"),
)
NOTIFICATIONS = Family(
    "courierx_notifications_total",
    "counter",
    "Notifications given to the queue; a failed one costs its work the time until the next sweep.",
    ("topic", "result"),
)
LEASES_EXPIRED = Family(
    "courierx_leases_expired_total",
    "counter",
    "Work items taken from workers that died, or lost the store, while they had them.",
    ("topic", "result"),
)
TALLIED = (DELIVERIES, FEEDBACK, NOTIFICATIONS, LEASES_EXPIRED)

INFO = Family("courierx_info", "gauge", "1; its labels tell what answers.", ("version", "environment"))
STORE_UP = Family(
    "courierx_store_up", "gauge", "1 when the store answers; 0 without, and without whatever it would tell."
)
QUEUE_UP = Family("courierx_queue_up", "gauge", "1 when the queue answers; without it the sweep still comes.")
NEEDS_ADOPTION = Family("courierx_needs_adoption", "gauge", "1 while nothing is sent until `courierx adopt`.")
WORKERS = Family("courierx_workers", "gauge", "Workers with a live lease, or a heartbeat in the last minute.")
HEARTBEAT = Family(
    "courierx_worker_heartbeat_seconds", "gauge", "Seconds since the last heartbeat of any worker."
)
SWEEP_LAG = Family(
    "courierx_sweep_lag_seconds",
    "gauge",
    "How long ago the oldest lease ended that nobody has swept; 0 where every lease is live.",
)
WORK_DUE = Family(
    "courierx_work_due", "gauge", "Work items that are due and that nobody has taken.", ("topic", "stream")
)
WORK_DUE_SECONDS = Family(
    "courierx_work_due_seconds", "gauge", "How long the oldest of these has been due.", ("topic", "stream")
)
WORK_LEASED = Family("courierx_work_leased", "gauge", "Work items that workers have.", ("topic", "stream"))
TRANSPORT_PAUSED = Family(
    "courierx_transport_paused", "gauge", "1 while a transport is paused for everybody.", ("transport",)
)
PLUGIN_LEFT_OUT = Family(
    "courierx_plugin_left_out",
    "gauge",
    "Processes that leave a plugin out because something of it raised: workers, and the one that answers.",
    ("plugin",),
)
HTTP_SECONDS = Family(
    "courierx_http_request_seconds",
    "histogram",
    "How long requests took the API process that answers, since it started, by the class of their status.",
    ("method", "route", "status"),
)

FAMILIES = (
    INFO, STORE_UP, QUEUE_UP, NEEDS_ADOPTION, WORKERS, HEARTBEAT, SWEEP_LAG, WORK_DUE, WORK_DUE_SECONDS,
    WORK_LEASED, TRANSPORT_PAUSED, PLUGIN_LEFT_OUT, *TALLIED,
    HTTP_SECONDS,
)  # fmt: skip
