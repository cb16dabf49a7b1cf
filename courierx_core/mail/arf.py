"""Complaints: feedback reports (RFC 5965), and the one that large provider sends without (JMRP)."""

from __future__ import annotations

from collections.abc import Sequence

from courierx_core.mail.entity import Entity, decoded, fields_of
from courierx_core.mail.report import Report, Reported, address_of

MEDIA_TYPE = "message/feedback-report"

_NO_COMPLAINTS = ("not-spam", "auth-failure", "dmarc", "xarf")
_JMRP = "x-hmxmroriginalrecipient"


def complaint(parts: Sequence[Entity], returned: Entity) -> Report | None:
    """Return what a feedback report says; None when the message holds none.

    "not-spam" and a report about authentication (RFC 6591) are kind other: nobody complained.
    """
    for part in parts:
        if part.media_type == MEDIA_TYPE:
            fields = {name: decoded(value) for name, value in reversed(fields_of(part.text()))}
            if fields.get("feedback-type", "abuse").lower() in _NO_COMPLAINTS:
                return Report(kind="other")
            named = (fields.get(name, "") for name in ("original-rcpt-to", "removal-recipient"))
            return _about(next(filter(None, map(address_of, named)), ""), returned)
    original = returned.get(_JMRP)
    return _about(address_of(original), returned) if original else None


def _about(address: str, returned: Entity) -> Report:
    address = address or address_of(returned.get("to"))
    return Report(kind="complaint", recipients=(Reported(address=address),))
