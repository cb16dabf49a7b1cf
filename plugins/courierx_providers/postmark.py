"""The transport `postmark`: one POST /email for each envelope.

Postmark answers what is wrong with a message with 422 and a code of its own:

code                                                outcome
406: the recipient is inactive                      Refused recipient
400, 401: the sender signature                      Refused sender
405, 412, 413: no credits, not approved             Refused transport
1235, 1236: the message stream                      Refused transport
any other                                           Refused message
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from courierx_core import Attachment, Envelope, Receipt, Refused, Secret, Traits
from courierx_core.ports.transport import Scope
from courierx_providers.config import ProviderConfig, require_header_text
from courierx_providers.connection import Answer, Request
from courierx_providers.fields import SEND_ID_KEY, base64_text, mailbox, person, recipient
from courierx_providers.transport import ProviderTransport, verdict

MAX_BYTES = 10_000_000
INACTIVE = 406
SCOPES: Mapping[int, Scope] = {
    INACTIVE: "recipient", 400: "sender", 401: "sender",
    405: "transport", 412: "transport", 413: "transport", 1235: "transport", 1236: "transport",
}  # fmt: skip


class PostmarkConfig(ProviderConfig, frozen=True, kw_only=True):
    """A server of Postmark."""

    HEARS_BY: ClassVar[str] = "POSTMARK_WEBHOOK_PASSWORD"

    server_token: Annotated[Secret, Meta(extra={"env": "POSTMARK_SERVER_TOKEN"})]
    webhook_password: Annotated[Secret, Meta(extra={"env": "POSTMARK_WEBHOOK_PASSWORD"})] = Secret("")
    """The password in the URL that Postmark posts to; unset: no event is believed."""
    transactional_stream: Annotated[str, Meta(extra={"env": "POSTMARK_TRANSACTIONAL_STREAM"})] = "outbound"
    broadcast_stream: Annotated[str, Meta(extra={"env": "POSTMARK_BROADCAST_STREAM"})] = "broadcast"
    """The message streams that our two streams go over."""
    url: Annotated[str, Meta(extra={"env": "POSTMARK_URL"})] = "https://api.postmarkapp.com"

    @property
    def hears(self) -> bool:
        return bool(self.webhook_password)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_header_text("POSTMARK_SERVER_TOKEN", self.server_token)


class PostmarkTransport(ProviderTransport[PostmarkConfig]):
    Config: ClassVar[type[Any]] = PostmarkConfig
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
            "Accept": "application/json",
            "Content-Type": "application/json",
            "X-Postmark-Server-Token": self.config.server_token.reveal(),
        }
        return Request("/email", headers, msgspec.json.encode(email_of(envelope, self.config)))

    def receipt(self, envelope_id: int, answer: Answer) -> Receipt:
        told = answer.told()
        if answer.status == 422:
            code = told.get("ErrorCode")
            status = "5.1.1" if code == INACTIVE else None
            return Refused(envelope_id, answer.words, SCOPES.get(code or 0, "message"), status)
        return verdict(envelope_id, answer, str(told.get("MessageID", "")))


def email_of(envelope: Envelope, config: PostmarkConfig) -> dict[str, object]:
    """Write an envelope as Postmark takes it."""
    fields = envelope.fields()
    transactional = envelope.stream == "transactional"
    email: dict[str, object] = {
        "From": mailbox(*person(fields.from_)),
        "To": mailbox(*recipient(envelope, fields)),
        "Subject": fields.subject,
        "Headers": [{"Name": name, "Value": value} for name, value in fields.headers],
        "Metadata": {SEND_ID_KEY: envelope.send_id},
        "MessageStream": config.transactional_stream if transactional else config.broadcast_stream,
    }
    if fields.reply_to:
        email["ReplyTo"] = mailbox(*person(fields.reply_to))
    if fields.html:
        email["HtmlBody"] = fields.html
    if fields.text:
        email["TextBody"] = fields.text
    if fields.attachments:
        email["Attachments"] = [_file(each) for each in fields.attachments]
    return email


def _file(attachment: Attachment) -> dict[str, str]:
    file = {
        "Name": attachment.filename,
        "ContentType": attachment.content_type,
        "Content": base64_text(attachment.content),
    }
    return {**file, "ContentID": f"cid:{attachment.content_id}"} if attachment.content_id else file
