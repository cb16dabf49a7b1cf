"""A message and a recipient to compile and render, and how what came of it is read."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

from courierx_core.mail.token import TokenKeys
from courierx_core.messages.model import Content, Message, Recipient

KEYS = TokenKeys(["secret"])


def message(stream: str = "broadcast", **content: object) -> Message:
    known: dict[str, object] = {
        "from_email": "news@example.com",
        "subject": "Hello",
        "public_url": "https://mail.example.com",
        **content,
    }
    return Message(
        id=1,
        tenant_id=7,
        campaign_id=3,
        stream=stream,
        transport="mock",
        content=Content(**known),  # type: ignore[arg-type]
    )


def recipient(**known: object) -> Recipient:
    return Recipient(
        **{"id": 5, "message_id": 1, "address": "ann@example.org", "state": "queued", **known}  # type: ignore[arg-type]
    )


def read(raw: bytes) -> EmailMessage:
    """Parse a mail and hold it against the rules that every mail must keep."""
    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    lines = raw.split(b"\r\n")
    assert all(len(line) <= 998 and b"\r" not in line and b"\n" not in line for line in lines)
    assert not any(line.startswith(b".") for line in lines)
    assert b"\0" not in raw
    parsed = message_from_bytes(raw, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    for part in parsed.walk():
        assert not part.defects
        assert all(not value.defects for value in part.values())
    return parsed


def content(part: EmailMessage | None) -> str:
    assert part is not None
    return part.get_content().replace("\r\n", "\n")
