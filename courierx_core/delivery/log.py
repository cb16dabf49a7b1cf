"""The log: every delivery as a line that tells what became of one person's mail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from courierx_core.delivery.model import Delivery, DeliveryState
from courierx_core.feedback.model import Event

LogStatus: TypeAlias = Literal[
    "queued", "sent", "failed", "delivered", "bounced", "complaint",
    "deferred", "rejected", "suppressed", "blocked", "cancelled", "uncertain",
]  # fmt: skip
"""The reference's words, and new ones for what it did not tell apart."""

STATE_OF: Mapping[LogStatus, DeliveryState | None] = {
    "queued": "queued", "sent": "accepted", "failed": "failed", "delivered": "delivered",
    "bounced": "bounced", "complaint": None, "deferred": "deferred", "rejected": "rejected",
    "suppressed": "suppressed", "blocked": "blocked", "cancelled": "cancelled", "uncertain": "uncertain",
}  # fmt: skip
"""A complaint is an event, not a state: whoever complains has got the mail."""
_STATUS_OF: Mapping[DeliveryState | None, LogStatus] = {state: word for word, state in STATE_OF.items()}


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery, whose campaign it is of, and the events that a log shows beside it: the last by its
    source's clock, the last bounce, the last complaint."""

    delivery: Delivery
    campaign_id: int | None
    created_at: datetime | None
    last: Event | None = None
    bounce: Event | None = None
    complaint: Event | None = None

    @property
    def id(self) -> int:
        return self.delivery.id

    @property
    def status(self) -> LogStatus:
        return "complaint" if self.complaint else _STATUS_OF[self.delivery.state]
