"""Delivery status notifications (RFC 3464): their fields, one group per recipient."""

from __future__ import annotations

import re

from courierx_core.mail.bounce_class import TEXT_MAX, classify, status_in
from courierx_core.mail.entity import Entity, decoded, fields_of
from courierx_core.mail.report import Action, Reported, address_of

MEDIA_TYPES = ("message/delivery-status", "message/global-delivery-status")

DIAGNOSTIC_MAX = 1000
_ACTIONS: dict[str, Action] = {
    "failed": "failed", "delayed": "delayed", "delivered": "delivered", "relayed": "delivered",
    "expanded": "delivered",
}  # fmt: skip
_GROUPS = re.compile(r"\n[ \t]*\n")
_MAX_GROUPS = 100


def recipients_of(part: Entity, explained: str) -> list[Reported]:
    """Return the recipients of a delivery-status part; `explained` is the report's text for people."""
    return recipients_in(part.text(), explained)


def recipients_in(text: str, explained: str) -> list[Reported]:
    """Return the recipients that groups of fields name, wherever the fields were found."""
    found: dict[str, Reported] = {}
    explained = explained[:TEXT_MAX]
    for group in _GROUPS.split(text)[:_MAX_GROUPS]:
        fields = {name: decoded(value) for name, value in reversed(fields_of(group))}
        if "final-recipient" in fields or "original-recipient" in fields:
            reported = _recipient(fields, explained)
            found.setdefault(reported.address, reported)
    return list(found.values())


def _recipient(fields: dict[str, str], explained: str) -> Reported:
    address = _typed(fields.get("original-recipient", "")) or _typed(fields.get("final-recipient", ""))
    diagnostic = fields.get("diagnostic-code", "").partition(";")[2].strip() or _said_of(address, explained)
    explained = " ".join(explained.split())
    action = _ACTIONS.get(fields.get("action", "failed").split(" ")[0].lower(), "failed")
    status = status_in(fields.get("status", ""))
    own = status_in(diagnostic)
    if own and (not status or status.endswith(".0.0")):
        status = own
    if action == "delivered":
        return Reported(address=address, action=action, status=status, diagnostic=diagnostic[:DIAGNOSTIC_MAX])
    vague = not diagnostic or (not own and (not status or status.endswith(".0.0")))
    cls = classify(status, diagnostic)
    if vague and cls == "soft" and action == "failed":
        cls = classify(status, f"{diagnostic}\n{explained}")
    return Reported(
        address=address,
        action=action,
        status=status,
        bounce="soft" if action == "delayed" else cls,
        diagnostic=(diagnostic or explained)[:DIAGNOSTIC_MAX],
    )


def _said_of(address: str, explained: str) -> str:
    """Return what the text says after an address and a colon: OpenSMTPD gives its reason there alone."""
    line = rf"^[ \t]*<?{re.escape(address or ' ')}>?:[ \t]*(\S.*)"
    said = re.search(line, explained, re.IGNORECASE | re.MULTILINE)
    return said[1].strip() if said else ""


def _typed(value: str) -> str:
    """Take the address out of `rfc822; ann@example.com`."""
    kind, semicolon, address = value.partition(";")
    return address_of(address if semicolon else kind)
