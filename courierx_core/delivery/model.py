"""Deliveries: one recipient of a message, always in exactly one visible state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

DeliveryState: TypeAlias = Literal[
    "queued",  # waits for its first attempt
    "deferred",  # 4yz: waits for its next one
    "accepted",  # 2yz: the transport has it
    "delivered",  # the recipient's system has it, by a report
    "bounced",  # 5yz by the recipient's system, at once or by a report
    "rejected",  # 5yz by our relay or provider about the message
    "uncertain",  # handed over, the answer was lost: settled by evidence or by a person
    "failed",  # we gave up: expired, cannot render, no address
    "suppressed",  # on a suppression list or unsubscribed before its intent
    "blocked",  # a plugin said no
    "cancelled",  # the message was cancelled first
]
STATES: tuple[DeliveryState, ...] = (
    "queued", "deferred", "accepted", "delivered", "bounced", "rejected",
    "uncertain", "failed", "suppressed", "blocked", "cancelled",
)  # fmt: skip
OPEN: frozenset[DeliveryState] = frozenset({"queued", "deferred"})

REFUSED: frozenset[DeliveryState] = frozenset({"bounced", "rejected"})
"""How an attempt may end for good: closed, and of such there are events."""

RESENDABLE: frozenset[DeliveryState] = frozenset({"uncertain", "failed"})
"""What a person may have sent again."""

RANK: dict[DeliveryState, int] = {
    "queued": 0, "deferred": 0, "uncertain": 0, "accepted": 1, "delivered": 2, "bounced": 3,
}  # fmt: skip
"""What evidence may raise: only upwards, so late, repeated and shuffled reports end the same."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The row that answers "what became of this person's mail?". `attempt` orders the ledger's work on
    it; `tries` counts attempts that cost the recipient one; `status` is RFC 3463."""

    id: int
    tenant_id: int
    message_id: int
    subscriber_id: int | None = None
    address: str
    state: DeliveryState = "queued"
    reason: str = ""
    attempt: int = 0
    tries: int = 0
    status: str = ""
    provider_id: str = ""
    reply: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    sent_at: datetime | None = None
    transport: str = ""
    """What its last attempt went over, or would have; '' before the first."""


def evidence(state: DeliveryState, reported: DeliveryState) -> DeliveryState:
    """Return the state after a report (delivered, bounced, accepted): by rank, upwards only."""
    have, told = RANK.get(state), RANK.get(reported)
    return reported if have is not None and told is not None and told > have else state


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How a message moves: intended and not answered yet, and answered per second of late."""

    in_flight: int = 0
    per_second: float = 0.0


Counts: TypeAlias = Mapping[str, int]


def moved(counts: Counts, before: str, after: str, n: int = 1) -> dict[str, int]:
    """Return counts after `n` deliveries went from one state to another; sums are kept."""
    if before == after:
        return dict(counts)
    out = dict(counts)
    out[before] = out.get(before, 0) - n
    out[after] = out.get(after, 0) + n
    return out
