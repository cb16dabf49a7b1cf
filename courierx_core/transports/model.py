"""What the install knows of a transport beside its settings."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class PausedTransport(msgspec.Struct, frozen=True, kw_only=True):
    """A transport that nothing goes over until a person resumes it; `reason` is the far side's words."""

    name: str
    reason: str
    since: datetime


class TransportStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Whether mail goes over a transport. `reason` and `since` say why not; `recovered`, whether a paused one
    looks well again."""

    name: str
    state: Literal["running", "paused"]
    reason: str = ""
    since: datetime | None = None
    recovered: bool | None = None
