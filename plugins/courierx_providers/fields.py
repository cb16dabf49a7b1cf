"""Parts of a message as providers take them: names and addresses in plain text, files in base64."""

from __future__ import annotations

from base64 import b64encode
from email.header import decode_header, make_header
from email.utils import parseaddr

from courierx_core import Envelope, Fields

SEND_ID_KEY = "courierx_send_id"
"""What our id is called in a provider's metadata, which its events bring back."""


def person(header_text: str) -> tuple[str, str]:
    """Split a mailbox of header text (RFC 5322) into its name, decoded (RFC 2047), and its address."""
    name, email = parseaddr(header_text)
    return str(make_header(decode_header(name))), email


def mailbox(name: str, email: str) -> str:
    """Write a name and an address as one text, not encoded."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{email}>' if name else email


def recipient(envelope: Envelope, fields: Fields) -> tuple[str, str]:
    """Return whom the envelope is for, with the name that the message gives. A provider sends to everybody
    whom To names, and every recipient has an envelope of its own: so it names one."""
    named = (person(to) for to in fields.to)
    wanted = envelope.rcpt_to.lower()
    return next(((name, email) for name, email in named if email.lower() == wanted), ("", envelope.rcpt_to))


def base64_text(content: bytes) -> str:
    return b64encode(content).decode("ascii")
