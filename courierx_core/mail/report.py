"""What a message that came in says about mail we sent."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from courierx_core.errors import InvalidInput
from courierx_core.mail.address import normalise
from courierx_core.mail.bounce_class import BounceClass

ReportKind: TypeAlias = Literal["bounce", "complaint", "auto_reply", "other"]
Action: TypeAlias = Literal["failed", "delayed", "delivered"]


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of a report. `bounce` is None where nothing bounced: a complaint, a delivery."""

    address: str
    """Normalised where it can be; '' when the report names nobody."""
    action: Action = "failed"
    """delayed: its server still tries. delivered: also relayed and expanded."""
    status: str = ""
    """Enhanced status code (RFC 3463), or ''."""
    bounce: BounceClass | None = None
    diagnostic: str = ""
    """The far side's own words."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    kind: ReportKind
    recipients: tuple[Reported, ...] = ()
    send_id: str = ""
    """Our token for the delivery, as it was found: prove it (`TokenKeys`) before acting on it."""


def address_of(text: str) -> str:
    """Bring an address out of a report to its one form; '' when there is none in it."""
    text = text.strip().strip("<>\"'").strip()
    try:
        return normalise(text)
    except InvalidInput:
        return text.lower() if "@" in text[1:-1] and len(text) <= 254 and not set(text) & set(" <>") else ""
