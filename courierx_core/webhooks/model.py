"""Webhooks: which of a tenant's receivers are told of which events, and how each telling went."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

from courierx_core.feedback.model import FeedbackKind

WebhookStatus: TypeAlias = Literal["enabled", "disabled"]
CallState: TypeAlias = Literal["waiting", "told", "failed"]
"""failed: given up, after days of trying or because its event is gone. A replay makes another call."""

TYPES: Mapping[FeedbackKind, str] = {
    "accepted": "delivery.accepted", "delivered": "delivery.delivered", "deferred": "delivery.deferred",
    "bounced": "delivery.bounced", "rejected": "delivery.rejected", "complained": "delivery.complained",
    "opened": "delivery.opened", "clicked": "delivery.clicked", "unsubscribed": "delivery.unsubscribed",
}  # fmt: skip
"""What each kind of event is called outside."""
TEST = "webhook.test"

RETRY_SECONDS = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""How long after each failed attempt a call is tried again: ten attempts over three days, as Standard
Webhooks advises."""
REST_SECONDS = (5.0, 30.0, 120.0, 300.0, 900.0)
"""How long a receiver that fails again and again is left alone, before one call probes it; what waits
meanwhile loses no attempt."""
JITTER = 0.2
RETRY_AFTER_MAX = 86400.0
LOG_DAYS = 30
"""How long calls that are over are kept, and those that wait for a disabled receiver."""
DISABLED_AFTER = timedelta(days=5)
"""How long a receiver may take nothing before nobody calls it any more."""
OVERLAP = timedelta(hours=24)
"""How long after a rotation calls carry the old secret's signature too."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver. No `types` are all of them. `secret` holds the signing secrets, encrypted."""

    id: int = 0
    tenant_id: int
    url: str
    types: tuple[str, ...] = ()
    description: str = ""
    secret: bytes = b""
    status: WebhookStatus = "enabled"
    disabled_reason: str = ""
    failures: int = 0
    """Rounds of calls in a row of which none was taken."""
    failing_since: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def wants(self, kind: FeedbackKind) -> bool:
        return kind in TYPES and (not self.types or TYPES[kind] in self.types)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request: the answer's status (0: there was none, and `error` says why) and how it began."""

    at: datetime
    seconds: float
    status: int = 0
    error: str = ""
    response: str = ""
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One event that one receiver is told of, with every attempt at it."""

    id: int = 0
    tenant_id: int
    webhook_id: int
    type: str
    event_id: int | None = None
    """None: a test."""
    state: CallState = "waiting"
    due_at: datetime | None = None
    """None: now, by the database's clock."""
    attempts: tuple[Attempt, ...] = ()
    created_at: datetime | None = None


def tried(call: Call, attempt: Attempt) -> tuple[Call, float]:
    """Return a call after an attempt, and in how many seconds it is due again if it still waits."""
    attempts = (*call.attempts, attempt)
    state: CallState = "waiting"
    if attempt.taken:
        state = "told"
    elif attempt.status == 410 or len(attempts) > len(RETRY_SECONDS):
        state = "failed"
    delay = RETRY_SECONDS[min(len(attempts), len(RETRY_SECONDS)) - 1]
    return msgspec.structs.replace(call, attempts=attempts, state=state), jittered(_asked(attempt, delay))


def answered(webhook: Webhook, attempts: Sequence[Attempt], now: datetime) -> tuple[Webhook, float]:
    """Return a receiver after a round of calls, and for how many seconds it is left alone."""
    if any(each.status == 410 for each in attempts):
        return disabled(webhook, "The receiver answered 410: it is gone."), 0.0
    if any(each.taken for each in attempts):
        return msgspec.structs.replace(webhook, failures=0, failing_since=None), 0.0
    since = webhook.failing_since or now
    if now - since >= DISABLED_AFTER:
        return disabled(webhook, f"The receiver has taken nothing since {since:%Y-%m-%d %H:%M} UTC."), 0.0
    failing = msgspec.structs.replace(webhook, failures=webhook.failures + 1, failing_since=since)
    rest = REST_SECONDS[min(webhook.failures, len(REST_SECONDS) - 1)]
    return failing, jittered(max(_asked(each, rest) for each in attempts))


def disabled(webhook: Webhook, reason: str) -> Webhook:
    return msgspec.structs.replace(webhook, status="disabled", disabled_reason=reason)


def enabled(webhook: Webhook) -> Webhook:
    """Return it as one that has never failed."""
    return msgspec.structs.replace(
        webhook, status="enabled", disabled_reason="", failures=0, failing_since=None
    )


def jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - so that not all come at once


def _asked(attempt: Attempt, seconds: float) -> float:
    """Wait at least as long as the receiver asks, up to a day."""
    return max(seconds, min(attempt.retry_after or 0.0, RETRY_AFTER_MAX))
