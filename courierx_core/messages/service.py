"""Use cases of messages: freeze a content, pause and complete what is under way."""

from __future__ import annotations

import msgspec

from courierx_core.campaigns.model import Campaign, can, move
from courierx_core.courier import Courier
from courierx_core.domains.service import domain_of, unverified
from courierx_core.errors import FieldProblem, InvalidInput, NotFound
from courierx_core.mail.address import split_address
from courierx_core.messages.headers import check_headers
from courierx_core.messages.links import collect_links
from courierx_core.messages.model import Content, Message
from courierx_core.messages.uncertain import plan_resend
from courierx_core.ports.store import UnitOfWork
from courierx_core.ports.transport import Feature, Stream
from courierx_core.templates.model import Template


def complete_parts(courier: Courier, template: Template) -> Template:
    """Let the plugins finish a content as it is saved: the missing part, inlined styles ..."""
    return courier.hooks.transform_template(template)


def freeze(
    courier: Courier, unit: UnitOfWork, content: Content, *, stream: Stream, transport: str
) -> Content:
    """Check a content against where it goes and fix what recipients share; return it frozen.

    Raises InvalidInput listing every problem: the From, its domain, headers, the way out of a mailing,
    features that the transport lacks.
    """
    problems: list[FieldProblem] = []
    _check_sender(content, problems)
    domain = None
    if not problems:
        where = split_address(content.from_email, "from_email").domain
        domain = domain_of(unit, where)
        problems += unverified(unit, where, domain)
    try:
        check_headers(content.headers)
    except InvalidInput as error:
        problems += error.problems
    if not content.html and not content.text:
        problems.append(FieldProblem("body", "missing", "give html, text or body: there is nothing to send"))
    tenant = unit.tenant
    content = msgspec.structs.replace(
        content,
        public_url=(tenant.public_url or courier.runtime.public_url).rstrip("/"),
        track_opens=content.track_opens and tenant.tracking,
        track_clicks=content.track_clicks and tenant.tracking,
    )
    if stream == "broadcast":
        _check_way_out(courier, content, problems)
    _check_transport(courier, content, stream, transport, problems)
    if problems:
        raise InvalidInput(*problems)
    tracked = content.track_clicks and bool(content.public_url)
    return_path = (domain.return_path if domain else "") or courier.policy.return_path
    return msgspec.structs.replace(
        content,
        return_path=return_path,
        unsubscribe_mail=bool(return_path) and courier.policy.unsubscribe_mail,
        unsubscribe=content.unsubscribe or ("none" if stream == "transactional" else ""),
        links=collect_links(content.html, content.layout) if tracked else (),
    )


def _check_sender(content: Content, problems: list[FieldProblem]) -> None:
    if not content.from_email:
        problems.append(
            FieldProblem(
                "from_email",
                "missing",
                "no sender: give from_email, the tenant's default or SES_SENDER_EMAIL",
            )
        )
        return
    for field, value in (("from_email", content.from_email), ("reply_to", content.reply_to)):
        try:
            if value:
                split_address(value, field)
        except InvalidInput as error:
            problems += error.problems


def _check_way_out(courier: Courier, content: Content, problems: list[FieldProblem]) -> None:
    """Broadcast mail needs one-click unsubscribe (RFC 8058): https, but for a developer's own machine."""
    if content.unsubscribe and content.unsubscribe != "none":
        if not content.unsubscribe.startswith(("https://", "mailto:")) or _unprintable(content.unsubscribe):
            problems.append(
                FieldProblem("unsubscribe", "invalid", "takes an https: or mailto: URI of your own")
            )
        return
    url = content.public_url
    if not url.startswith("https://") and not (courier.runtime.environment == "development" and url):
        problems.append(
            FieldProblem(
                "public_url",
                "missing",
                f"broadcast mail carries a one-click unsubscribe link, so COURIERX_PUBLIC_URL must be https"
                f" (it is {url or 'not set'}); or give the campaign an unsubscribe URI of your own",
            )
        )


def _unprintable(uri: str) -> bool:
    return any(not "!" <= character <= "~" or character in "<>" for character in uri)


def _check_transport(
    courier: Courier, content: Content, stream: Stream, transport: str, problems: list[FieldProblem]
) -> None:
    ways = courier.ways(transport)
    if not ways:
        have = courier.ways_known + ("" if courier.transports else "; set COURIERX_TRANSPORT")
        said = f"no transport {transport!r} is configured" if transport else "no transport is chosen"
        problems.append(FieldProblem("transport", "not_found", f"{said} (configured: {have})"))
        return
    wanted: list[tuple[Feature, bool]] = [
        ("headers", stream == "broadcast" or bool(content.headers)),
        ("attachments", any(not a.content_id for a in content.attachments)),
        ("inline", any(a.content_id for a in content.attachments)),
        ("cc", bool(content.cc)),
    ]
    problems += [
        FieldProblem("transport", "feature", f"transport {name!r} cannot carry {feature}")
        for name in ways
        for feature, needed in wanted
        if needed and feature not in courier.transport(name).limits().features
    ]


def complete_message(courier: Courier, tenant_id: int, message_id: int) -> bool:
    """Complete a message, and its campaign, if nothing of it is open; True when that was now. One that
    sends again what is uncertain (`on_uncertain`) plans that instead, once."""
    with courier.store.begin(tenant_id) as unit:
        if not unit.messages.complete(message_id):
            return False
        message = unit.messages.get(message_id)
        campaign = campaign_of(unit, message)
        if message.on_uncertain == "resend":
            plan_resend(courier, unit, message, campaign)
            # asked of the rows: another worker may have planned it while this one waited to complete
            if unit.messages.reopen(message_id):
                return False
        if campaign is not None and can(campaign.status, "complete"):
            done = msgspec.structs.replace(move(campaign, "complete"), completed_at=courier.runtime.now())
            unit.campaigns.save(done, was=campaign.status)
    return True


def reopen(unit: UnitOfWork, message_id: int) -> None:
    """Take back the completion of a message, and of its campaign, where something of it is open again."""
    if not unit.messages.reopen(message_id):
        return
    campaign = campaign_of(unit, unit.messages.get(message_id))
    if campaign is not None and can(campaign.status, "reopen"):
        again = msgspec.structs.replace(move(campaign, "reopen"), completed_at=None)
        unit.campaigns.save(again, was=campaign.status)


def settle_message(courier: Courier, tenant_id: int, message_id: int) -> None:
    """See to a message whose items were taken away while answers were under way: what came back of a
    cancelled one is cancelled too; another that is to be tried again is no longer completed."""
    with courier.store.begin(tenant_id) as unit:
        message = unit.messages.get(message_id)
        campaign = campaign_of(unit, message)
        if message.cancelled_at is not None or (campaign is not None and campaign.status == "cancelled"):
            unit.deliveries.cancel_open(message_id)
        else:
            reopen(unit, message_id)
    complete_message(courier, tenant_id, message_id)


def campaign_of(unit: UnitOfWork, message: Message) -> Campaign | None:
    """Return a message's campaign; None where it has none, or it was deleted."""
    try:
        return None if message.campaign_id is None else unit.campaigns.get(message.campaign_id)
    except NotFound:
        return None


def pause_message(courier: Courier, message: Message, reason: str) -> None:
    """Hold a message's work because it cannot go on: its transport refused us, or it does not compile."""
    with courier.store.begin(message.tenant_id) as unit:
        unit.work.hold(message.id)
        campaign = campaign_of(unit, message)
        if campaign is not None and can(campaign.status, "pause"):
            unit.campaigns.save(move(campaign, "pause", reason=reason[:500]), was=campaign.status)
