"""Events: what came back about a delivery. Kept for good; a few of them move the delivery, upwards only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

import msgspec

from courierx_core.delivery.model import DeliveryState, evidence
from courierx_core.mail.bounce_class import BounceClass as BounceClass

FeedbackKind: TypeAlias = Literal[
    "accepted",  # the provider has it: what settles an uncertain delivery first
    "delivered",
    "deferred",
    "bounced",
    "complained",
    "rejected",  # the provider took it and then refused to send it
    "opened",
    "clicked",
    "unsubscribed",
    "other",
]

PROVES: Mapping[FeedbackKind, DeliveryState] = {
    "accepted": "accepted", "deferred": "accepted", "delivered": "delivered", "bounced": "bounced",
    "rejected": "bounced", "complained": "delivered", "opened": "delivered", "clicked": "delivered",
    "unsubscribed": "delivered",
}  # fmt: skip
"""What each kind proves about the delivery. Who complains of a mail, or opens it, has got it."""

ARRIVALS: tuple[FeedbackKind, ...] = ("delivered", "opened", "clicked")
"""What ends a run of soft bounces."""
SOFT_BOUNCES = 5
SOFT_SPAN = timedelta(days=7)
"""So many soft bounces over so long, and no arrival between them: nobody reads mail there any more."""
SOFT_PAUSE = timedelta(days=30)
"""How long an address is then left alone."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a delivery, as its `source` told it; `at` is that source's time.

    `event_key` names the occurrence: the same kind with the same key is the same event. `machine` marks
    what a scanner or a proxy did. `raw` is the source's own account.
    """

    id: int = 0
    tenant_id: int
    at: datetime
    kind: FeedbackKind
    message_id: int | None = None
    delivery_id: int | None = None
    """None: kept until it can be matched."""
    recipient: str
    source: str
    event_key: str
    machine: bool = False
    provider_id: str = ""
    status: str = ""
    reply: str = ""
    bounce: BounceClass | None = None
    url: str = ""
    user_agent: str = ""
    raw: Mapping[str, Any] = {}


def after(state: DeliveryState, kind: FeedbackKind) -> DeliveryState:
    """Return a delivery's state after an event: by rank, upwards only, so any order ends the same."""
    proven = PROVES.get(kind)
    return state if proven is None else evidence(state, proven)


def gave_up(history: Sequence[Event]) -> bool:
    """Say whether one address's bounces and arrivals, in any order, end in soft bounces enough to stop."""
    ordered = sorted(history, key=lambda event: event.at)
    last = max((place for place, event in enumerate(ordered) if event.kind in ARRIVALS), default=-1)
    run = [event.at for event in ordered[last + 1 :] if event.kind == "bounced" and event.bounce == "soft"]
    return len(run) >= SOFT_BOUNCES and run[-1] - run[0] >= SOFT_SPAN
