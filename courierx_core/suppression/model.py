"""Suppressions: addresses that get no mail, whatever a campaign or a plugin says."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from courierx_core.mail.address import normalise

Cause: TypeAlias = Literal["hard_bounce", "complaint", "unsubscribe", "manual", "invalid"]

PLATFORM_WIDE = 0
"""The tenant id of suppressions that hold for every tenant."""

REASON_MAX = 255


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """`address` is normalised, and `@domain` is everybody there (`listed_as`); `reason` is any text to 255
    characters. An unsubscribe does not stop transactional mail; every other cause does."""

    id: int = 0
    tenant_id: int
    address: str
    reason: str = ""
    cause: Cause = "manual"
    created_at: datetime | None = None
    expires_at: datetime | None = None


def listed_as(text: str, field: str = "email") -> str:
    """Return the one form of what is suppressed: `ann@x.example`, or `@x.example` for everybody at a domain
    but not below it, which may be written `*@x.example`. Raises InvalidInput about `field`."""
    text = text.strip().removeprefix("*") if text.strip().startswith("*@") else text.strip()
    return normalise(f"x{text}", field)[1:] if text.startswith("@") else normalise(text, field)


def domain_of(address: str) -> str:
    """Return what suppresses everybody at an address's domain; the local part holds no @."""
    return address[address.index("@") :]


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
