"""The transport `resend`: one POST /emails for each envelope, with our id as its idempotency key.

Resend names what is wrong:

status, name                                         outcome
403 validation_error: the domain is not verified     Refused sender
409: the key was used before, or is in use           Uncertain
429 daily_quota_exceeded, monthly_quota_exceeded     Deferred transport, an hour
anything else                                        by its status
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from courierx_core import Attachment, Deferred, Envelope, Receipt, Refused, Secret, Traits, Uncertain
from courierx_providers.config import ProviderConfig, require_header_text
from courierx_providers.connection import Answer, Request
from courierx_providers.fields import SEND_ID_KEY, base64_text, mailbox, person, recipient
from courierx_providers.transport import LATER_SECONDS, ProviderTransport, verdict

MAX_BYTES = 40_000_000
KEY_SECONDS = 24 * 3600
"""How long Resend remembers an idempotency key."""
QUOTAS = ("daily_quota_exceeded", "monthly_quota_exceeded")


class ResendConfig(ProviderConfig, frozen=True, kw_only=True):
    """An account with Resend."""

    HEARS_BY: ClassVar[str] = "RESEND_WEBHOOK_SECRET"

    api_key: Annotated[Secret, Meta(extra={"env": "RESEND_API_KEY"})]
    webhook_secret: Annotated[Secret, Meta(extra={"env": "RESEND_WEBHOOK_SECRET"})] = Secret("")
    """What webhooks are signed with, `whsec_...`; unset: no event is believed."""
    url: Annotated[str, Meta(extra={"env": "RESEND_URL"})] = "https://api.resend.com"

    @property
    def hears(self) -> bool:
        return bool(self.webhook_secret)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_header_text("RESEND_API_KEY", self.api_key)


class ResendTransport(ProviderTransport[ResendConfig]):
    Config: ClassVar[type[Any]] = ResendConfig
    traits = Traits(
        wants="fields",
        max_concurrency=10,
        max_bytes=MAX_BYTES,
        idempotent_seconds=KEY_SECONDS,
        signs=True,
        own_return_path=True,
        features=frozenset({"attachments", "inline", "headers"}),
    )

    def request_of(self, envelope: Envelope) -> Request:
        headers = {
            "Authorization": f"Bearer {self.config.api_key.reveal()}",
            "Content-Type": "application/json",
            "Idempotency-Key": envelope.send_id,
        }
        return Request("/emails", headers, msgspec.json.encode(email_of(envelope)))

    def receipt(self, envelope_id: int, answer: Answer) -> Receipt:
        told = answer.told()
        name = told.get("name")
        if answer.status == 403 and name == "validation_error":
            return Refused(envelope_id, answer.words, "sender")
        if answer.status == 409:  # an earlier request had the key: what became of it, its events will say
            return Uncertain(envelope_id, "answer", answer.words)
        if answer.status == 429 and name in QUOTAS:
            return Deferred(envelope_id, answer.words, "transport", retry_after=LATER_SECONDS)
        return verdict(envelope_id, answer, str(told.get("id", "")))


def email_of(envelope: Envelope) -> dict[str, object]:
    """Write an envelope as Resend takes it."""
    fields = envelope.fields()
    email: dict[str, object] = {
        "from": mailbox(*person(fields.from_)),
        "to": [mailbox(*recipient(envelope, fields))],
        "subject": fields.subject,
        "headers": dict(fields.headers),
        "tags": [{"name": SEND_ID_KEY, "value": envelope.send_id}],
    }
    if fields.reply_to:
        email["reply_to"] = mailbox(*person(fields.reply_to))
    if fields.html:
        email["html"] = fields.html
    if fields.text:
        email["text"] = fields.text
    if fields.attachments:
        email["attachments"] = [_file(each) for each in fields.attachments]
    return email


def _file(attachment: Attachment) -> dict[str, str]:
    file = {
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "content": base64_text(attachment.content),
    }
    return {**file, "content_id": attachment.content_id} if attachment.content_id else file
