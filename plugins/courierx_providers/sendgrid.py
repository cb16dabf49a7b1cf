"""The transport `sendgrid`: one POST /v3/mail/send for each envelope.

403 is an address that may not be a sender, and refuses the sender; anything else goes by its status.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from courierx_core import Attachment, Envelope, Receipt, Refused, Secret, Traits
from courierx_providers.config import ProviderConfig, require_header_text
from courierx_providers.connection import Answer, Request
from courierx_providers.fields import SEND_ID_KEY, base64_text, person, recipient
from courierx_providers.transport import ProviderTransport, verdict

MAX_BYTES = 30_000_000


class SendgridConfig(ProviderConfig, frozen=True, kw_only=True):
    """An account with SendGrid."""

    HEARS_BY: ClassVar[str] = "SENDGRID_WEBHOOK_PUBLIC_KEY"

    api_key: Annotated[Secret, Meta(extra={"env": "SENDGRID_API_KEY"})]
    webhook_public_key: Annotated[str, Meta(extra={"env": "SENDGRID_WEBHOOK_PUBLIC_KEY"})] = ""
    """The verification key of the signed event webhook, in base64; unset: no event is believed."""
    url: Annotated[str, Meta(extra={"env": "SENDGRID_URL"}, examples=["https://api.eu.sendgrid.com"])] = (
        "https://api.sendgrid.com"
    )

    @property
    def hears(self) -> bool:
        return bool(self.webhook_public_key)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_header_text("SENDGRID_API_KEY", self.api_key)
        try:
            b64decode(self.webhook_public_key, validate=True)
        except ValueError as problem:
            raise ValueError("SENDGRID_WEBHOOK_PUBLIC_KEY takes the base64 that SendGrid shows") from problem


class SendgridTransport(ProviderTransport[SendgridConfig]):
    Config: ClassVar[type[Any]] = SendgridConfig
    traits = Traits(
        wants="fields",
        max_concurrency=10,
        max_bytes=MAX_BYTES,
        signs=True,
        own_return_path=True,
        features=frozenset({"attachments", "inline", "headers"}),
    )

    def request_of(self, envelope: Envelope) -> Request:
        headers = {
            "Authorization": f"Bearer {self.config.api_key.reveal()}",
            "Content-Type": "application/json",
        }
        return Request("/v3/mail/send", headers, msgspec.json.encode(mail_of(envelope)))

    def receipt(self, envelope_id: int, answer: Answer) -> Receipt:
        if answer.status == 403:
            return Refused(envelope_id, answer.words, "sender")
        return verdict(envelope_id, answer, answer.headers.get("x-message-id", ""))


def mail_of(envelope: Envelope) -> dict[str, object]:
    """Write an envelope as SendGrid takes it."""
    fields = envelope.fields()
    content = [("text/plain", fields.text), ("text/html", fields.html)]
    mail: dict[str, object] = {
        "personalizations": [{"to": [_address(*recipient(envelope, fields))]}],
        "from": _address(*person(fields.from_)),
        "subject": fields.subject,
        "content": [{"type": kind, "value": value} for kind, value in content if value],
        "headers": dict(fields.headers),
        "custom_args": {SEND_ID_KEY: envelope.send_id},
    }
    if fields.reply_to:
        mail["reply_to"] = _address(*person(fields.reply_to))
    if fields.attachments:
        mail["attachments"] = [_file(each) for each in fields.attachments]
    return mail


def _address(name: str, email: str) -> dict[str, str]:
    return {"email": email, "name": name} if name else {"email": email}


def _file(attachment: Attachment) -> dict[str, str]:
    file = {
        "filename": attachment.filename,
        "type": attachment.content_type,
        "content": base64_text(attachment.content),
        "disposition": "inline" if attachment.content_id else "attachment",
    }
    return {**file, "content_id": attachment.content_id} if attachment.content_id else file
