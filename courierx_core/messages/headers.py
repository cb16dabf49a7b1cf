"""Headers beyond the ordinary: which a sender may add, and which a stream of mail must carry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from courierx_core.errors import FieldProblem, InvalidInput
from courierx_core.mail.header import one_line
from courierx_core.messages.model import Content, Message

SEND_ID = "X-CourierX-Send-ID"
ONE_CLICK = "List-Unsubscribe=One-Click"
MAILTO = "mailto:u-"
"""What a delivery's mailto: begins with; its token and `unsubscribe_mailbox` follow (`mail.incoming`)."""

_NAME = re.compile(r"[!-9;-~]+")
_REFUSED = frozenset(
    {
        "from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "received",
        "return-path", "delivered-to", "dkim-signature", "arc-seal", "errors-to", "x-courierx-send-id",
    }
)  # fmt: skip
_REFUSED_PREFIXES = ("list-", "content-", "mime-", "resent-", "x-courierx-")
_NAME_MAX, _VALUE_MAX, _URI_MAX = 76, 8000, 900


def check_headers(headers: Sequence[tuple[str, str]], field: str = "headers") -> None:
    """Refuse custom headers that CourierX writes itself or that cannot be sent (SECURITY: S09).

    Raises InvalidInput with every bad one.
    """
    problems = []
    for place, (name, value) in enumerate(headers):
        why = _objection(name, value)
        if why:
            problems.append(FieldProblem(f"{field}[{place}]", "invalid_header", why))
    if problems:
        raise InvalidInput(*problems)


def _objection(name: str, value: str) -> str:
    shown = f"{name!r:.90}"
    if not _NAME.fullmatch(name) or len(name) > _NAME_MAX:
        return f"{shown} is no header name; use up to {_NAME_MAX} printable ASCII characters without colon"
    lowered = name.lower()
    if lowered in _REFUSED or lowered.startswith(_REFUSED_PREFIXES):
        return f"{shown} is written by CourierX itself; leave it out"
    if len(value) > _VALUE_MAX:
        return f"{shown} has {len(value):,} characters; at most {_VALUE_MAX:,} are sent"
    if one_line(value) != value.strip(" "):
        return f"{shown} holds a line break or control character; write it on one line"
    return ""


def sender_uri(uri: str) -> str:
    """Return a sender's own unsubscribe URI, fit to stand between angle brackets. Raises InvalidInput."""
    clean = quote(one_line(uri), safe="!#$%&'()*+,/:;=?@[]~")
    if not clean.lower().startswith(("https://", "http://", "mailto:")) or len(clean) > _URI_MAX:
        raise InvalidInput.of(
            "unsubscribe",
            "invalid_uri",
            f"{uri!r:.90} takes '', 'none', an https URL or a mailto address, {_URI_MAX} characters at most",
        )
    return clean


def stream_headers(message: Message, domain: str) -> list[tuple[str, str]]:
    """Return what tells receivers the kind of mail: RFC 2919, RFC 3834, Feedback-ID."""
    campaign = message.campaign_id or 0
    known = [("Feedback-ID", f"{campaign}:{message.tenant_id}:{message.stream}:courierx")]
    if message.stream == "transactional":
        known.append(("Auto-Submitted", "auto-generated"))
    else:
        known.append(("List-Id", f"<t{message.tenant_id}.{domain}>"))
    own = {name.lower() for name, _ in message.content.headers}
    return [(name, value) for name, value in known if name.lower() not in own]


def unsubscribe_offer(message: Message) -> str:
    """Return what the message's headers offer: "one-click", "none", or the sender's own URI."""
    content = message.content
    if message.stream == "transactional" or content.unsubscribe == "none":
        return "none"
    if content.unsubscribe:
        return sender_uri(content.unsubscribe)
    return "one-click" if content.public_url else "none"


def unsubscribe_mailbox(content: Content) -> str:
    """Return what follows the token in the mailto: beside one-click; '' where none is offered."""
    return f"@{content.return_path}?subject=unsubscribe" if content.unsubscribe_mail else ""


def can_post(uri: str) -> bool:
    """Tell whether a URI may carry List-Unsubscribe-Post (RFC 8058 section 3.1: https only)."""
    return uri.lower().startswith("https://")
