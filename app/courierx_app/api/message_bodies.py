"""What callers write of a single message, and what they are shown of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from courierx_app.api.addresses import GivenAddress, address_of
from courierx_app.api.custom_headers import GivenHeaders
from courierx_core.delivery.model import Delivery, DeliveryState
from courierx_core.errors import FieldProblem, InvalidInput
from courierx_core.mail.address import Address
from courierx_core.messages.model import GivenOnUncertain, Message, MessageSummary, OnUncertain
from courierx_core.messages.new import NewMessage
from courierx_core.messages.transactional import MessageStatus, Sent, status_of
from courierx_core.ports.transport import Attachment, Stream


class GivenFile(msgspec.Struct, frozen=True, kw_only=True):
    """`content` is base64; with a `content_id` the file is shown inline, as `cid:` in the HTML."""

    filename: str
    content: bytes
    content_type: str = "application/octet-stream"
    content_id: str = ""


class MessageBody(msgspec.Struct, frozen=True, kw_only=True):
    """A message to at most 50 people. Its own parts win over its template's."""

    to: tuple[GivenAddress, ...]
    tenant_id: int | None = None
    from_: GivenAddress | None = msgspec.field(default=None, name="from")
    cc: tuple[GivenAddress, ...] = ()
    bcc: tuple[GivenAddress, ...] = ()
    reply_to: GivenAddress | None = None
    template_id: int | None = None
    subject: str = ""
    html: str = ""
    text: str = ""
    variables: dict[str, Any] = {}
    attachments: tuple[GivenFile, ...] = ()
    headers: GivenHeaders = {}
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    track_opens: bool = False
    track_clicks: bool = False
    transport: str = ""
    scheduled_at: datetime | None = None
    on_uncertain: GivenOnUncertain = ""
    """`resend` sends once more what is uncertain when everything else is over; `hold` leaves it to you; '' is
    the tenant's."""


class BatchBody(msgspec.Struct, frozen=True, kw_only=True):
    """Up to 500 messages, each accepted or refused by itself."""

    messages: list[dict[str, Any]]
    tenant_id: int | None = None


class SentDelivery(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    to: str
    status: DeliveryState


class SentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`warnings` name variables that nobody gave a value."""

    id: int
    status: MessageStatus
    deliveries: Sequence[SentDelivery]
    scheduled_at: datetime | None = None
    warnings: Sequence[str] = ()


class FileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    filename: str
    content_type: str
    content_id: str
    size: int


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    tenant_id: int
    campaign_id: int | None
    status: MessageStatus
    stream: Stream
    transport: str
    from_: str = msgspec.field(name="from")
    to: Sequence[str]
    subject: str
    tags: Sequence[str]
    metadata: Mapping[str, str]
    scheduled_at: datetime | None
    created_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None


class WholeMessageAnswer(MessageAnswer, frozen=True, kw_only=True):
    """One message with its bodies and, newest first, its deliveries: 100 of them at most."""

    cc: Sequence[str]
    reply_to: str
    html: str
    text: str
    headers: Mapping[str, str]
    attachments: Sequence[FileAnswer]
    expires_at: datetime | None
    on_uncertain: OnUncertain
    resent: int | None
    """How many uncertain deliveries went out once more; null until it came to that."""
    states: Mapping[str, int]
    deliveries: Sequence[SentDelivery]


class Readers:
    """Reads addresses and collects what is wrong; `done()` raises InvalidInput with all of it."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def one(self, given: GivenAddress, field: str) -> Address:
        try:
            return address_of(given, field)
        except InvalidInput as problem:
            self.problems += problem.problems
            return Address("", "")

    def all(self, field: str, given: Sequence[GivenAddress]) -> tuple[Address, ...]:
        return tuple(self.one(each, f"{field}[{at}]") for at, each in enumerate(given))

    def done(self) -> None:
        if self.problems:
            raise InvalidInput(*self.problems)


def addresses_of(field: str, given: Sequence[GivenAddress]) -> tuple[Address, ...]:
    """Read them all. Raises InvalidInput naming every one that is wrong."""
    readers = Readers()
    found = readers.all(field, given)
    readers.done()
    return found


def message_of(body: MessageBody) -> NewMessage:
    """Read the addresses of a body. Raises InvalidInput naming every one that is wrong."""
    readers = Readers()
    new = NewMessage(
        to=readers.all("to", body.to),
        cc=readers.all("cc", body.cc),
        bcc=readers.all("bcc", body.bcc),
        sender=readers.one(body.from_, "from") if body.from_ else None,
        reply_to=readers.one(body.reply_to, "reply_to") if body.reply_to else None,
        template_id=body.template_id,
        subject=body.subject,
        html=body.html,
        text=body.text,
        variables=body.variables,
        headers=tuple(body.headers.items()),
        attachments=tuple(Attachment(**msgspec.structs.asdict(file)) for file in body.attachments),
        tags=body.tags,
        metadata=body.metadata,
        track_opens=body.track_opens,
        track_clicks=body.track_clicks,
        transport=body.transport,
        scheduled_at=body.scheduled_at,
        on_uncertain=body.on_uncertain,
    )
    readers.done()
    return new


def sent_answer(sent: Sent, now: datetime) -> SentAnswer:
    return SentAnswer(
        id=sent.message.id,
        status=status_of(sent.message, now),
        deliveries=[delivery_line(each) for each in sent.deliveries],
        scheduled_at=sent.message.scheduled_at,
        warnings=sent.warnings,
    )


def delivery_line(delivery: Delivery) -> SentDelivery:
    return SentDelivery(id=delivery.id, to=delivery.address, status=delivery.state)


def listed(message: MessageSummary, now: datetime) -> MessageAnswer:
    values = msgspec.structs.asdict(message)
    name, email = values.pop("from_name"), values.pop("from_email")
    return MessageAnswer(**values, from_=str(Address(name, email)), status=status_of(message, now))


def whole(
    message: Message, states: Mapping[str, int], deliveries: Sequence[Delivery], now: datetime
) -> WholeMessageAnswer:
    content = message.content
    files = [
        FileAnswer(
            filename=file.filename,
            content_type=file.content_type,
            content_id=file.content_id,
            size=len(file.content),
        )
        for file in content.attachments
    ]
    own = ("id", "tenant_id", "campaign_id", "stream", "transport", "scheduled_at", "expires_at")
    end = ("created_at", "completed_at", "cancelled_at", "on_uncertain", "resent")
    same = ("to", "cc", "reply_to", "subject", "html", "text", "tags", "metadata")
    return WholeMessageAnswer(
        **{name: getattr(message, name) for name in (*own, *end)},
        **{name: getattr(content, name) for name in same},
        status=status_of(message, now),
        from_=str(Address(content.from_name, content.from_email)),
        headers=dict(content.headers),
        attachments=files,
        states=states,
        deliveries=[delivery_line(each) for each in deliveries],
    )
