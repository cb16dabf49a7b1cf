"""Quotas: so many attempts to send in an hour, day or month, as the calendar has them (UTC)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

Period: TypeAlias = Literal["hour", "day", "month"]
PERIODS: tuple[Period, ...] = ("hour", "day", "month")
ALLOWED_MAX = 10**12


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """`used` are attempts handed over in this period, and those that a worker has set aside for its own."""

    period: Period
    allowed: int
    used: int = 0
    resets_at: datetime | None = None


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant's quotas gave of what was asked for."""

    granted: int
    limited: bool = True
    """False where the tenant has no quota: everything is granted."""
    taken_at: datetime | None = None
    """By the database's clock: what is not used is given back to the periods of that moment."""
    valid_seconds: float = 0.0
    """Until the first of the periods ends, and with it what was granted."""
    retry_after: float = 0.0
    """Where less was granted than asked for: seconds until there can be more."""


def began(period: Period, at: datetime) -> datetime:
    """Return when the period began that a time (UTC) lies in."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    if period == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if period == "day" else day.replace(day=1)


def ends(period: Period, at: datetime) -> datetime:
    """Return when the period ends that a time (UTC) lies in."""
    first = began(period, at)
    if period == "month":
        return began("month", first + timedelta(days=32))
    return first + (timedelta(hours=1) if period == "hour" else timedelta(days=1))
