"""The transport `mailgun`: one POST of messages.mime for each envelope, with the message as we made it."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from courierx_core import Envelope, Receipt, Refused, Secret, Traits
from courierx_providers.config import ProviderConfig, require_header_text
from courierx_providers.connection import Answer, Request
from courierx_providers.fields import SEND_ID_KEY
from courierx_providers.transport import ProviderTransport, verdict

MAX_BYTES = 25_000_000
_DOMAIN = re.compile(r"[A-Za-z0-9.-]+")


class MailgunConfig(ProviderConfig, frozen=True, kw_only=True):
    """A sending domain of Mailgun."""

    HEARS_BY: ClassVar[str] = "MAILGUN_SIGNING_KEY"

    api_key: Annotated[Secret, Meta(extra={"env": "MAILGUN_API_KEY"})]
    domain: Annotated[str, Meta(extra={"env": "MAILGUN_DOMAIN"}, examples=["mg.example.com"])]
    """The domain of the account that mail goes over."""
    signing_key: Annotated[Secret, Meta(extra={"env": "MAILGUN_SIGNING_KEY"})] = Secret("")
    """What webhooks are signed with; unset: no event is believed."""
    url: Annotated[str, Meta(extra={"env": "MAILGUN_URL"}, examples=["https://api.eu.mailgun.net"])] = (
        "https://api.mailgun.net"
    )
    """Where the account is: the United States, or `https://api.eu.mailgun.net`."""

    @property
    def hears(self) -> bool:
        return bool(self.signing_key)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_header_text("MAILGUN_API_KEY", self.api_key)
        if not _DOMAIN.fullmatch(self.domain):
            raise ValueError(f"MAILGUN_DOMAIN is {self.domain!r}; it takes a domain such as mg.example.com")


class MailgunTransport(ProviderTransport[MailgunConfig]):
    Config: ClassVar[type[Any]] = MailgunConfig
    traits = Traits(
        max_concurrency=10,
        max_bytes=MAX_BYTES,
        signs=True,
        own_return_path=True,
        features=frozenset({"attachments", "inline", "cc", "headers"}),
    )

    def request_of(self, envelope: Envelope) -> Request | Refused:
        message = envelope.mime()
        if b"\nx-mailgun-" in message[: message.find(b"\r\n\r\n") + 2].lower():
            why = "550 5.6.0 headers X-Mailgun-... are orders to Mailgun itself"
            return Refused(envelope.id, why, "message", "5.6.0")
        boundary = secrets.token_hex(16)
        parts = [
            ("to", b"", envelope.rcpt_to.encode()),
            (f"v:{SEND_ID_KEY}", b"", envelope.send_id.encode()),
            ("message", b'; filename="message.eml"', message),
        ]
        key = b64encode(b"api:" + self.config.api_key.reveal().encode()).decode()
        headers = {
            "Authorization": f"Basic {key}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        path = f"/v3/{self.config.domain}/messages.mime"
        return Request(path, headers, _form(boundary.encode(), parts))

    def receipt(self, envelope_id: int, answer: Answer) -> Receipt:
        return verdict(envelope_id, answer, str(answer.told().get("id", "")).strip("<>"))


def _form(boundary: bytes, parts: Sequence[tuple[str, bytes, bytes]]) -> bytes:
    """Write a form (RFC 7578) of names, what stands behind them, and values."""
    lines = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        % (boundary, name.encode(), more, value)
        for name, more, value in parts
    ]
    return b"".join(lines) + b"--%s--\r\n" % boundary
