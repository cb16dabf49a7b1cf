"""Tell what a message that came back to us is: a bounce, a complaint, an automatic answer, or other."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from courierx_core.mail import arf, bounce, dsn
from courierx_core.mail.auto_reply import is_auto_reply
from courierx_core.mail.entity import Entity, read, readable, walk
from courierx_core.mail.report import Report, Reported

SEND_ID = "x-courierx-send-id"
VERP_PREFIX = "b-"
"""The local part of a return path is this and a token (`messages.compile`)."""

RAW_MAX = 1 << 20
"""Octets of a message that are looked at; what a bounce says stands at its beginning."""

_SEND_ID = re.compile(rb"^[> \t]*X-CourierX-Send-ID:[ \t]*([a-z2-7]{16,38})\b", re.IGNORECASE | re.MULTILINE)
_VERP = re.compile(r"(?<![\w.-])b-([a-z2-7]{16,38})@", re.IGNORECASE)
_UNSUBSCRIBE = re.compile(r"(?<![\w.-])u-([a-z2-7]{16,38})@", re.IGNORECASE)
_TOKEN = re.compile(r"[a-z2-7]{16,38}")
_MESSAGE_ID = re.compile(r"<([a-z2-7]{16,38})@[\w.-]{1,255}>", re.IGNORECASE)
_MESSAGE_ID_LINE = re.compile(r"^[> \t]*Message-ID:[ \t]*<([a-z2-7]{16,38})@", re.IGNORECASE | re.MULTILINE)
_SENT_TO = ("x-original-to", "delivered-to", "envelope-to", "x-envelope-to", "to", "x-rcpt-to")
_RETURNED = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_REFUSED = re.compile(r"reject|refus|quota|full|failed", re.IGNORECASE)


def parse(raw: bytes) -> Report:
    """Read a report. Never raises: what cannot be understood is of kind "other"."""
    raw = raw[:RAW_MAX]
    message = read(raw)
    parts = list(walk(message))
    text, returned = _text_and_copy(parts)
    found = (
        arf.complaint(parts, returned)
        or _status(message, parts, text)
        or _words(message, text, returned, parts)
    )
    if found.kind == "other" and not found.recipients:
        return found
    return msgspec.structs.replace(found, send_id=_send_id(raw, message, parts, returned))


def verp_token(address: str) -> str:
    """Return the token in a return path of ours, '' when it holds none."""
    found = _VERP.search(address)
    return found[1].lower() if found else ""


def unsubscribe_token(address: str) -> str:
    """Return the token in an address of ours that unsubscribes, '' when it holds none."""
    found = _UNSUBSCRIBE.search(address)
    return found[1].lower() if found else ""


def sent_to(raw: bytes) -> Sequence[str]:
    """Return the fields that tell where a message went, for where its envelope is lost. Never raises."""
    return read(raw[:RAW_MAX]).every(*_SENT_TO)


def _status(message: Entity, parts: Sequence[Entity], text: str) -> Report | None:
    """Read the delivery status parts (RFC 3464), or the same fields in plain text."""
    found: list[Reported] = []
    for part in parts:
        if part.media_type in dsn.MEDIA_TYPES:
            found += dsn.recipients_of(part, text)
    if not found and bounce.from_machine(message):
        found = dsn.recipients_in(text, text)
    if not found:
        return None
    if all(each.action == "delivered" for each in found):
        return Report(kind="other", recipients=tuple(found))
    return Report(kind="bounce", recipients=tuple(found))


def _words(message: Entity, text: str, returned: Entity, parts: Sequence[Entity]) -> Report:
    """Read what has no fields to read: a bounce in words, an automatic answer, anything else."""
    receipt = any(part.media_type == "message/disposition-notification" for part in parts)
    if receipt and not _REFUSED.search(f"{message.get('subject')} {text}"):
        return Report(kind="other")
    if receipt or bounce.from_machine(message):
        found = bounce.recipients_of(message, text, returned)
        if found:
            return Report(kind="bounce", recipients=tuple(found))
    return Report(kind="auto_reply" if is_auto_reply(message) else "other")


def _text_and_copy(parts: Sequence[Entity]) -> tuple[str, Entity]:
    """Return what the report says to a person, and the fields of our message that it returns."""
    said = [part for part in parts if part.media_type in ("text/plain", "text/html")]
    plain = [part for part in said if part.media_type == "text/plain"] or said
    text, copy = bounce.cut("\n".join(part.text() for part in plain[:3]))
    for part in parts:
        if part.media_type in _RETURNED:
            return text, read(part.content())
    return text, read(copy.encode("utf-8", "replace"))


def _send_id(raw: bytes, message: Entity, parts: Sequence[Entity], returned: Entity) -> str:
    """Find our token: in the returned fields, anywhere in the message, in the return path it came to."""
    own = returned.get(SEND_ID)
    if _TOKEN.fullmatch(own):
        return own
    for content in (raw, *(part.content() for part in parts)):
        found = _SEND_ID.search(content)
        if found:
            return readable(found[1], "ascii").lower()
    addresses = (*message.every(*_SENT_TO), returned.get("return-path"), *_mail_from(parts))
    return next(filter(None, map(verp_token, addresses)), "") or _answered(message, parts, returned)


def _answered(message: Entity, parts: Sequence[Entity], returned: Entity) -> str:
    """Find our token in a Message-ID (`messages.head`): the returned one, or one that this mail answers."""
    for names in (returned.get("message-id"), message.get("in-reply-to"), message.get("references")):
        for found in reversed(_MESSAGE_ID.findall(names)):
            return str(found).lower()
    for part in parts:
        line = _MESSAGE_ID_LINE.search(part.text())
        if line:
            return line[1].lower()
    return ""


def _mail_from(parts: Sequence[Entity]) -> list[str]:
    """Return the fields in which a feedback report repeats the envelope's sender."""
    return [
        line for part in parts if part.media_type == arf.MEDIA_TYPE
        for line in part.text().splitlines() if line.lower().startswith("original-mail-from")
    ]  # fmt: skip
