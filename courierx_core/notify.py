"""Notifications: said after a commit, never instead of one."""

from __future__ import annotations

import logging

from courierx_core.courier import Courier
from courierx_core.metrics.model import NOTIFICATIONS

log = logging.getLogger("courierx.work")

TOPICS = ("transactional", "broadcast", "tasks", "webhooks")
"""What a worker listens to: a stream's send items, what is told to receivers, and everything else."""


def notify(courier: Courier, topic: str) -> str:
    """Say that work is ready; return the broker's id. A broker that is away costs a sweep's time."""
    try:
        known_as = courier.queue.notify(topic)
    except Exception as error:  # a queue is a plugin: whatever it raises, the work is safe
        log.warning("could not notify %s, the sweep comes: %s: %s", topic, type(error).__name__, error)
        courier.tallies.count(NOTIFICATIONS, topic, "failed")
        return ""
    courier.tallies.count(NOTIFICATIONS, topic, "sent")
    return known_as
