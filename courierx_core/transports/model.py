"""What the install knows of a transport beside its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal

import msgspec


class PausedTransport(msgspec.Struct, frozen=True, kw_only=True):
    """A transport that nothing goes over until a person resumes it; `reason` is the far side's words."""

    name: str
    reason: str
    since: datetime


class WarmDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day (UTC) of a transport that is warmed up: what it may send, what it did or has set aside, how many
    were answered, and how many of those with a deferral or a refusal for policy."""

    day: date
    allowed: int
    used: int = 0
    answered: int = 0
    objected: int = 0


class RouteStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A route as its callers see it: who shares its mail by weight, who has it where none of those can, and
    which of them all are paused."""

    name: str
    transports: Mapping[str, int]
    failover: Sequence[str]
    paused: Sequence[str] = ()


class TransportStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Whether mail goes over a transport. `reason` and `since` say why not; `recovered`, whether a paused one
    looks well again. `warm_day` is today, where it is warmed up."""

    name: str
    state: Literal["running", "paused"]
    reason: str = ""
    since: datetime | None = None
    recovered: bool | None = None
    warm_day: WarmDay | None = None


class OwnTransport(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's own transport as anybody may see it: without its settings."""

    name: str
    driver: str
    updated_at: datetime


class Sealed(msgspec.Struct, frozen=True):
    """The same as it is kept: `settings` is encrypted JSON."""

    driver: str
    settings: bytes
