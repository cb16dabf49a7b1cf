"""What the install knows of a transport beside its settings."""

from __future__ import annotations

from datetime import datetime

import msgspec


class PausedTransport(msgspec.Struct, frozen=True, kw_only=True):
    """A transport that nothing goes over until a person resumes it; `reason` is the far side's words."""

    name: str
    reason: str
    since: datetime
