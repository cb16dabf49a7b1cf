"""What a webhook says: an event as JSON, the same for every attempt and every receiver."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from courierx_core.feedback.model import Event
from courierx_core.webhooks.model import Call


class Telling(msgspec.Struct, frozen=True):
    """The body of a call."""

    type: str
    timestamp: datetime
    data: Mapping[str, Any]


def of_event(call: Call, event: Event, metadata: Mapping[str, str]) -> Telling:
    """Tell of an event. What does not apply to its kind is left out."""
    data: dict[str, Any] = {
        "event_id": event.id,
        "delivery_id": event.delivery_id,
        "message_id": event.message_id,
        "recipient": event.recipient,
    }
    further = {
        "class": event.bounce, "status": event.status, "reply": event.reply, "url": event.url,
        "user_agent": event.user_agent,
    }  # fmt: skip
    data |= {name: value for name, value in further.items() if value}
    if event.kind in ("opened", "clicked"):
        data["machine"] = event.machine
    return Telling(call.type, event.at, {**data, "metadata": metadata})


def of_test(call: Call, now: datetime) -> Telling:
    return Telling(call.type, call.created_at or now, {"webhook_id": call.webhook_id})


def id_of(call: Call) -> str:
    """Name what is told: by its event, so that an attempt, a replay and another receiver's call are one."""
    return f"test_{call.id}" if call.event_id is None else f"evt_{call.event_id}"
