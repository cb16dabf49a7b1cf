"""Use cases of transactional mail: one content for a few named people, now or at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

from courierx_core.audience.model import Attribute
from courierx_core.courier import Courier
from courierx_core.delivery.model import Delivery
from courierx_core.erasure.marks import erased_among
from courierx_core.errors import Conflict, FieldProblem, InvalidInput, NotFound, RenderError
from courierx_core.keep import Keep, nothing
from courierx_core.mail.address import Address
from courierx_core.messages.compile import Compiled
from courierx_core.messages.limits import check_limits
from courierx_core.messages.model import Content, GivenOnUncertain, Message, MessageSummary
from courierx_core.messages.new import NewMessage
from courierx_core.messages.service import complete_message, complete_parts, freeze
from courierx_core.notify import notify
from courierx_core.ports.store import UnitOfWork
from courierx_core.senders.service import sender_of
from courierx_core.templates.check import check
from courierx_core.templates.model import Template
from courierx_core.templates.service import sources
from courierx_core.transports.ways import way_of

MessageStatus: TypeAlias = Literal["scheduled", "queued", "completed", "cancelled"]

_FIELDS = {"from_email": "from", "body": "html"}
"""What a problem's field is called by who sends a single message."""


class Prepared(msgspec.Struct, frozen=True):
    """A message that will be accepted: checked and frozen, not stored."""

    message: Message
    addresses: Sequence[str]
    warnings: Sequence[str]
    """Variables that only some recipients may have."""
    barred: frozenset[str] = frozenset()
    """Those of the addresses whose person was erased."""


class Sent(msgspec.Struct, frozen=True):
    """A message that is stored with its deliveries; what is queued of them goes out by itself.
    `notification` is the queue's id; '' where the queue is away, and the sweep comes."""

    message: Message
    deliveries: Sequence[Delivery]
    warnings: Sequence[str] = ()
    notification: str = ""


def prepare(courier: Courier, unit: UnitOfWork, new: NewMessage) -> Prepared:
    """Check and freeze a message. It only reads, and may take 0.2 s for a template with logic.

    Raises InvalidInput with every bad field, RenderError with the line.
    """
    check_limits(new, courier.runtime.now())
    content = _content(courier, unit, new)
    try:
        return prepare_content(
            courier,
            unit,
            content,
            new.recipients,
            transport=new.transport,
            scheduled_at=new.scheduled_at,
            on_uncertain=new.on_uncertain,
        )
    except InvalidInput as error:
        named = [FieldProblem(_FIELDS.get(p.field, p.field), p.code, p.message) for p in error.problems]
        raise InvalidInput(*named) from None


def prepare_content(
    courier: Courier,
    unit: UnitOfWork,
    content: Content,
    recipients: Sequence[str],
    *,
    transport: str = "",
    scheduled_at: datetime | None = None,
    on_uncertain: GivenOnUncertain = "",
) -> Prepared:
    """Check and freeze a content for a few addresses, on its way over a transport or the default one."""
    transport = way_of(courier, unit, transport)
    starts = scheduled_at or courier.runtime.now()
    message = Message(
        tenant_id=unit.tenant_id,
        stream="transactional",
        transport=transport,
        content=freeze(courier, unit, content, stream="transactional", transport=transport),
        on_uncertain=on_uncertain or unit.tenant.on_uncertain,
        scheduled_at=scheduled_at,
        expires_at=starts + timedelta(seconds=courier.policy.transactional_ttl),
    )
    return Prepared(message, recipients, _try(courier, message), erased_among(courier, unit, recipients))


def _content(courier: Courier, unit: UnitOfWork, new: NewMessage) -> Content:
    try:
        template = sources(unit, new.template_id, subject=new.subject, html=new.html, text=new.text)
    except NotFound as error:
        raise InvalidInput.of("template_id", "not_found", str(error)) from None
    template, tenant = complete_parts(courier, template), unit.tenant
    sender = sender_of(courier, unit, new.sender)
    shown: dict[str, Attribute] = {
        "id": tenant.id,
        "name": tenant.name,
        "contact_email": tenant.contact_email,
    }
    return Content(
        from_email=sender.email if sender else "",
        from_name=sender.name if sender else "",
        reply_to=header_text(new.reply_to) if new.reply_to else sender.reply_to if sender else "",
        subject=template.subject,
        html=template.html,
        text=template.text,
        layout=template.layout,
        to=tuple(map(header_text, new.to)),
        cc=tuple(map(header_text, new.cc)),
        headers=new.headers,
        attachments=new.attachments,
        variables={"tenant": shown, **new.variables},
        tags=new.tags,
        metadata=new.metadata,
        track_opens=new.track_opens,
        track_clicks=new.track_clicks,
    )


def header_text(address: Address) -> str:
    """Write an address so that it can be read again; one that ASCII cannot write goes without its name."""
    return address.email if address.needs_smtputf8 else str(address)


def _try(courier: Courier, message: Message) -> Sequence[str]:
    """Compile it, as its worker will. What has logic is tried in a child process (SECURITY: S01); what
    has none costs no more than its length. Return the warnings."""
    filters = courier.hooks.template_filters()
    compiled = Compiled(message, courier.tokens, filters)
    if compiled.path == "logic":
        content = message.content
        template = Template(
            tenant_id=message.tenant_id,
            name="",
            subject=content.subject,
            html=content.html,
            text=content.text,
            layout=content.layout,
        )
        verdict = check(template, filters=filters)
        if not verdict.valid:
            raise RenderError(verdict.reason, part=verdict.part, line=verdict.line)
    return compiled.warnings


def store(unit: UnitOfWork, prepared: Prepared) -> Sent:
    """Store a message with its deliveries and its work, in the caller's transaction; then `announce`."""
    message = unit.messages.add(prepared.message)
    people = [unit.subscribers.by_email(address) for address in prepared.addresses]
    ids = [person.id if person else None for person in people]
    deliveries = unit.deliveries.add(message, prepared.addresses, subscriber_ids=ids, barred=prepared.barred)
    if all(delivery.state != "queued" for delivery in deliveries):
        unit.messages.complete(message.id)
        message = unit.messages.get(message.id)
    return Sent(message, deliveries, prepared.warnings)


def announce(courier: Courier) -> str:
    """Say, after the commit, that there is transactional mail; return the notification's id."""
    return notify(courier, "transactional")


def send(courier: Courier, tenant_id: int, new: NewMessage, *, keep: Keep[Sent] = nothing) -> Sent:
    """Check, store and announce one message."""
    with courier.store.begin(tenant_id, write=False) as unit:
        prepared = prepare(courier, unit, new)
    return post(courier, tenant_id, prepared, keep)


def post(courier: Courier, tenant_id: int, prepared: Prepared, keep: Keep[Sent] = nothing) -> Sent:
    """Store and announce what was prepared."""
    with courier.store.begin(tenant_id) as unit:
        sent = store(unit, prepared)
        keep(unit, sent)
    return msgspec.structs.replace(sent, notification=announce(courier))


def status_of(message: Message | MessageSummary, now: datetime) -> MessageStatus:
    """Say how far a message is; each delivery has a state of its own."""
    if message.cancelled_at is not None:
        return "cancelled"
    if message.completed_at is not None:
        return "completed"
    return "scheduled" if message.scheduled_at is not None and message.scheduled_at > now else "queued"


def cancel(courier: Courier, tenant_id: int, message_id: int) -> Message:
    """Close what of a message was not handed over yet. Raises Conflict when nothing is left to cancel."""
    with courier.store.begin(tenant_id) as unit:
        message = unit.messages.get(message_id)
        if message.campaign_id is not None:
            raise Conflict(f"Message {message_id} is campaign {message.campaign_id}'s: cancel that.")
        if not unit.deliveries.cancel_open(message_id):
            done = status_of(message, courier.runtime.now())
            raise Conflict(f"Message {message_id} is {done}: nothing of it is left to cancel.")
        unit.messages.note_cancelled(message_id)
    complete_message(courier, tenant_id, message_id)
    with courier.store.begin(tenant_id, write=False) as unit:
        return unit.messages.get(message_id)
