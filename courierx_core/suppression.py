"""Suppressions: addresses that get no mail, whatever a campaign or a plugin says."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

Cause: TypeAlias = Literal["hard_bounce", "complaint", "unsubscribe", "manual", "invalid"]

PLATFORM_WIDE = 0
"""The tenant id of suppressions that hold for every tenant."""


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """`address` is normalised (`mail.address.normalise`); `reason` is any text to 255 characters.
    An unsubscribe does not stop transactional mail; every other cause does."""

    id: int = 0
    tenant_id: int
    address: str
    reason: str = ""
    cause: Cause = "manual"
    created_at: datetime | None = None
    expires_at: datetime | None = None


def cause_of(reason: str) -> Cause:
    """Derive the cause from a caller's free text."""
    words = reason.casefold()
    if "complain" in words or "spam" in words or "abuse" in words:
        return "complaint"
    if "unsub" in words or "opt-out" in words or "opt out" in words:
        return "unsubscribe"
    if "bounce" in words:
        return "hard_bounce"
    if "invalid" in words:
        return "invalid"
    return "manual"
