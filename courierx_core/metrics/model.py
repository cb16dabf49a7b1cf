"""Every metric there is: name, labels and what it tells. docs/reference/metrics.md is made from these."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec


class Family(msgspec.Struct, frozen=True):
    """A metric, as Prometheus knows it."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()

    @property
    def tally(self) -> str:
        """Return the name under which a counter is kept in the store."""
        return self.name.removeprefix("courierx_").removesuffix("_total")


Samples: TypeAlias = dict[tuple[str, ...], float]
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

FAMILIES = (
    INFO, STORE_UP, QUEUE_UP, NEEDS_ADOPTION, WORKERS, HEARTBEAT, SWEEP_LAG, WORK_DUE, WORK_DUE_SECONDS,
    WORK_LEASED, TRANSPORT_PAUSED, PLUGIN_LEFT_OUT, *TALLIED,
)  # fmt: skip
