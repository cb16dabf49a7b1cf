"""Use cases of campaigns. Each reads as the sentence that describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from courierx_core.audience.lists import check_audience
from courierx_core.audience.model import Audience, MailingList
from courierx_core.audience.segments import resolved
from courierx_core.audience.tree import HasEvent
from courierx_core.audience.use import refuse_in_segment
from courierx_core.campaigns.model import BUSY, Campaign, PublicStatus, can, move, public_status
from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.delivery.model import STATES, DeliveryState
from courierx_core.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    RenderError,
)
from courierx_core.feedback.model import FeedbackKind
from courierx_core.keep import Keep, nothing
from courierx_core.mail.address import split_address
from courierx_core.messages.headers import check_headers
from courierx_core.messages.limits import SUBJECT_MAX
from courierx_core.messages.links import add_parameters
from courierx_core.messages.model import Content, Message
from courierx_core.messages.service import complete_message, complete_parts, freeze
from courierx_core.notify import TOPICS, notify
from courierx_core.ports.reports import Reason, Tally
from courierx_core.ports.store import UnitOfWork
from courierx_core.ports.transport import Stream
from courierx_core.senders.service import sender_of
from courierx_core.templates.check import check
from courierx_core.templates.model import Template
from courierx_core.templates.sandbox import OUTPUT_MAX
from courierx_core.templates.service import parts_of, sources
from courierx_core.transports.ways import check_way, way_of
from courierx_core.work import NEEDS_ADOPTION, OF_MESSAGE, WorkItem

SNAPSHOT_CHUNK = 10_000
"""Subscribers a snapshot takes in one transaction: about 50 ms of work."""
NAME_MAX = 255
UTM = ("source", "medium", "campaign", "term", "content", "id")
UTM_MAX = 200
CONTENT = (
    "subject", "body", "html", "text", "from_email", "from_name", "reply_to", "template_id", "transport",
    "headers", "track_opens", "track_clicks", "utm", "unsubscribe", "on_uncertain",
)  # fmt: skip
"""What a clone takes over: everything that decides the message, nothing of its own run."""


class Started(msgspec.Struct, frozen=True):
    """A campaign that has just begun, how many people it reaches, and the notification's id."""

    campaign: Campaign
    audience: int
    notification: str = ""


REASONS_TOLD = 20
"""Groups of reasons in a report."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a campaign. `states` always add up to `audience`."""

    campaign_id: int
    status: PublicStatus
    pause_reason: str
    audience: int
    states: Mapping[str, int]
    events: Mapping[FeedbackKind, Tally]
    """What came back, by kind; scanners and proxies are in `all` alone."""
    resent: int
    """How many uncertain deliveries went out once more by `on_uncertain`, whatever became of them."""
    reasons: Sequence[Reason]
    started_at: datetime | None
    completed_at: datetime | None


def create(courier: Courier, unit: UnitOfWork, campaign: Campaign) -> Campaign:
    """Save a new draft. Raises InvalidInput with every bad field; a template's error has its line."""
    examine(courier, unit, campaign)
    return unit.campaigns.add(campaign)


def update(courier: Courier, unit: UnitOfWork, campaign: Campaign) -> Campaign:
    """Save a changed draft. Raises Conflict once it has started: content and audience are frozen then."""
    stored = unit.campaigns.get(campaign.id)
    if stored.status not in ("draft", "scheduled"):
        raise Conflict(
            f"Campaign {campaign.id} is {public_status(stored.status)}: what it sends is frozen."
            " Clone it to change it."
        )
    examine(courier, unit, campaign)
    return unit.campaigns.save(campaign, was=stored.status)


def examine(courier: Courier, unit: UnitOfWork, campaign: Campaign) -> None:
    """Raise what `create` and `update` would. A template's trial takes 0.2 s: done in a unit that only
    reads, before theirs, it keeps no other writer waiting."""
    checks = Checks()
    checks.text("name", campaign.name, longest=NAME_MAX)
    checks.text("subject", campaign.subject, longest=SUBJECT_MAX, required=campaign.template_id is None)
    checks.text("from_name", campaign.from_name, longest=NAME_MAX, required=False)
    for field in ("body", "html", "text"):
        if len(getattr(campaign, field)) > OUTPUT_MAX:
            checks.add(field, "too_long", f"takes at most {OUTPUT_MAX:,} characters")
    for field in ("from_email", "reply_to"):
        checks.mailbox(field, getattr(campaign, field))
    for name, value in campaign.utm.items():
        if name not in UTM:
            checks.add("utm", "invalid", f"{name!r:.40} is none of: {', '.join(UTM)}")
        checks.text(f"utm.{name:.40}", value, longest=UTM_MAX)
    try:
        check_headers(campaign.headers)
    except InvalidInput as error:
        checks.problems += error.problems
    check_way(courier, unit.tenant_id, checks, campaign.transport)
    try:
        template = _template(unit, campaign)
    except NotFound as error:
        checks.add("template_id", "not_found", str(error))
    checks.done()
    verdict = check(template, filters=courier.hooks.template_filters())
    if not verdict.valid:
        raise RenderError(verdict.reason, part=verdict.part, line=verdict.line)


def _template(unit: UnitOfWork, campaign: Campaign) -> Template:
    html, text = parts_of(campaign.body, campaign.html, campaign.text)
    return sources(
        unit, campaign.template_id, subject=campaign.subject, html=html, text=text, name=campaign.name
    )


def content_of(courier: Courier, unit: UnitOfWork, campaign: Campaign) -> Content:
    """Assemble what a campaign sends, unchecked: sources, sender and the variables all recipients share."""
    tenant = unit.tenant
    template = complete_parts(courier, _template(unit, campaign))
    utm = {f"utm_{name}": value for name, value in campaign.utm.items()}
    own = split_address(campaign.from_email, "from_email") if campaign.from_email else None
    sender = sender_of(courier, unit, own)
    return Content(
        from_email=sender.email if sender else "",
        from_name=campaign.from_name or (sender.name if sender else ""),
        reply_to=campaign.reply_to or (sender.reply_to if sender else ""),
        subject=template.subject,
        html=add_parameters(template.html, utm),
        text=template.text,
        layout=add_parameters(template.layout, utm),
        headers=campaign.headers,
        track_opens=campaign.track_opens,
        track_clicks=campaign.track_clicks,
        unsubscribe=campaign.unsubscribe,
        variables={
            "campaign": {"id": campaign.id, "name": campaign.name, "subject": template.subject},
            "tenant": {"id": tenant.id, "name": tenant.name, "contact_email": tenant.contact_email},
        },
    )


def start(courier: Courier, tenant_id: int, campaign_id: int, *, keep: Keep[Started] = nothing) -> Started:
    """Freeze a draft into a message and queue its snapshot, once, whoever else tries.

    Raises Conflict when it is not startable or reaches nobody, InvalidInput when it cannot be sent.
    """
    with courier.store.begin(tenant_id) as unit:
        started = start_in(courier, unit, campaign_id)
        unit.work.end(campaign_id, topics=("schedule",))
        keep(unit, started)
    return msgspec.structs.replace(started, notification=notify(courier, "tasks"))


def start_in(courier: Courier, unit: UnitOfWork, campaign_id: int) -> Started:
    """Do what `start` does in the caller's transaction; then say that there is a task."""
    campaign = unit.campaigns.get(campaign_id)
    started = move(campaign, "start")
    check_audience(unit, campaign.audience)
    now = courier.runtime.now()
    audience = resolved(unit, campaign.audience, now)
    count = unit.subscribers.count(audience)
    if not count:
        raise Conflict(f"Campaign {campaign_id} has nobody to go to: add active subscribers, or other lists.")
    transport = way_of(courier, unit, campaign.transport)
    content = content_of(courier, unit, campaign)
    stream = stream_of(campaign)
    message = unit.messages.add(
        Message(
            tenant_id=unit.tenant_id,
            campaign_id=campaign_id,
            stream=stream,
            transport=transport,
            content=freeze(courier, unit, content, stream=stream, transport=transport),
            on_uncertain=campaign.on_uncertain or unit.tenant.on_uncertain,
        )
    )
    unit.work.add(WorkItem(tenant_id=unit.tenant_id, stream=stream, topic="snapshot", subject_id=message.id))
    saved = unit.campaigns.save(
        msgspec.structs.replace(started, audience=audience, message_id=message.id, started_at=now),
        was=campaign.status,
    )
    return Started(saved, count)


def stream_of(campaign: Campaign) -> Stream:
    """Return how its mail counts: what nobody can unsubscribe from is transactional."""
    return "transactional" if campaign.unsubscribe == "none" else "broadcast"


def remove(unit: UnitOfWork, campaign_id: int) -> None:
    """Delete a campaign. Raises Conflict while it is under way, or a segment asks for its events."""
    campaign = unit.campaigns.get(campaign_id)
    if campaign.status in BUSY:
        way = f"POST /campaigns/{campaign_id}/cancel first."
        raise Conflict(f"Campaign {campaign_id} is {public_status(campaign.status)}; {way}")
    refuse_in_segment(
        unit,
        f"Campaign {campaign_id}",
        lambda node: isinstance(node, HasEvent) and node.campaign_id == campaign_id,
    )
    unit.campaigns.remove(campaign_id)


def schedule(courier: Courier, tenant_id: int, campaign_id: int, at: datetime) -> Campaign:
    """Start a draft at an aware time in the future. Raises InvalidInput for one that has passed."""
    if at.tzinfo is None or at <= courier.runtime.now():
        raise InvalidInput.of("scheduled_at", "in_the_past", "must be an aware time later than now")
    with courier.store.begin(tenant_id) as unit:
        campaign = unit.campaigns.get(campaign_id)
        scheduled = msgspec.structs.replace(move(campaign, "schedule"), scheduled_at=at)
        saved = unit.campaigns.save(scheduled, was=campaign.status)
        unit.work.end(campaign_id, topics=("schedule",))
        unit.work.add(
            WorkItem(
                tenant_id=tenant_id, stream="broadcast", topic="schedule", subject_id=campaign_id, due_at=at
            )
        )
    return saved


def unschedule(courier: Courier, tenant_id: int, campaign_id: int) -> Campaign:
    """Make a scheduled campaign a draft again."""
    with courier.store.begin(tenant_id) as unit:
        campaign = unit.campaigns.get(campaign_id)
        draft = msgspec.structs.replace(move(campaign, "unschedule"), scheduled_at=None)
        unit.work.end(campaign_id, topics=("schedule",))
        return unit.campaigns.save(draft, was=campaign.status)


def snapshot(courier: Courier, item: WorkItem) -> None:
    """Task of topic snapshot: make a delivery for everyone in the audience, chunk by chunk.

    Its cursor is the last subscriber; a crash repeats at most one chunk, and that one changes nothing.
    """
    cursor, counts, more = item.cursor, dict(item.counts), True
    while more:
        with courier.store.begin(item.tenant_id) as unit:
            message = unit.messages.get(item.subject_id)
            assert message.campaign_id is not None
            audience = unit.campaigns.get(message.campaign_id).audience
            step = unit.deliveries.snapshot(message, audience, after=cursor, limit=SNAPSHOT_CHUNK)
            cursor, more = step.cursor, step.more
            for state, n in step.counts.items():
                counts[state] = counts.get(state, 0) + n
            unit.work.advance(item, cursor=cursor, counts=counts, done=not more)
            # read with the item locked: a cancellation is either seen here, or waits and sees these rows
            campaign = unit.campaigns.get(message.campaign_id)
            if campaign.status == "cancelled":
                unit.deliveries.cancel_open(message.id)
            elif not more and campaign.status == "preparing":
                unit.campaigns.save(move(campaign, "send"), was=campaign.status)
        notify(courier, message.stream)
    complete_message(courier, item.tenant_id, item.subject_id)


def pause(
    courier: Courier, tenant_id: int, campaign_id: int, reason: str = "paused by its owner"
) -> Campaign:
    """Stop a campaign from intending anything more; what is under way is still answered."""
    with courier.store.begin(tenant_id) as unit:
        campaign = unit.campaigns.get(campaign_id)
        paused = move(campaign, "pause", reason=reason[:500])
        unit.work.hold(_message_id(campaign))
        return unit.campaigns.save(paused, was=campaign.status)


def resume(courier: Courier, tenant_id: int, campaign_id: int) -> Campaign:
    """Go on where a pause stopped. Raises Conflict for one that waits for adoption: that is a question
    about the whole database."""
    with courier.store.begin(tenant_id) as unit:
        campaign = unit.campaigns.get(campaign_id)
        if campaign.pause_reason == NEEDS_ADOPTION:
            raise Conflict(f"Campaign {campaign_id} needs adoption: `courierx adopt` lets everything go on.")
        resumed = move(campaign, "resume")
        unit.work.unhold(_message_id(campaign))
        saved = unit.campaigns.save(resumed, was=campaign.status)
    for topic in TOPICS:
        notify(courier, topic)
    return saved


def release(unit: UnitOfWork, campaign: Campaign) -> None:
    """Let go what of a campaign was held for adoption."""
    if campaign.pause_reason == NEEDS_ADOPTION:
        free = msgspec.structs.replace(campaign, pause_reason="")
        unit.campaigns.save(move(free, "resume") if can(free.status, "resume") else free, was=campaign.status)
    unit.work.unhold(campaign.id, topics=("schedule",))
    if campaign.message_id is not None:
        cancelled = campaign.status == "cancelled"
        unit.work.unhold(campaign.message_id, topics=("snapshot",) if cancelled else OF_MESSAGE)


def cancel(courier: Courier, tenant_id: int, campaign_id: int) -> Campaign:
    """End a campaign: whoever was not intended yet gets nothing and is shown as cancelled. A snapshot under
    way goes on to its end, so that the report still adds up to the audience."""
    with courier.store.begin(tenant_id) as unit:
        campaign = unit.campaigns.get(campaign_id)
        cancelled = move(campaign, "cancel")
        if campaign.message_id is not None:
            unit.work.hold(campaign.message_id)
            unit.deliveries.cancel_open(campaign.message_id)
            unit.work.unhold(campaign.message_id, topics=("snapshot",))
        unit.work.end(campaign_id, topics=("schedule",))
        return unit.campaigns.save(cancelled, was=campaign.status)


def clone(
    courier: Courier,
    tenant_id: int,
    campaign_id: int,
    *,
    only: Sequence[DeliveryState] = (),
    name: str = "",
    keep: Keep[Campaign] = nothing,
) -> Campaign:
    """Make a draft with a campaign's content; with `only`, for exactly those whose delivery ended in one
    of these states. Raises Conflict where nobody's did, or they are no longer kept."""
    with courier.store.begin(tenant_id) as unit:
        found = unit.campaigns.get(campaign_id)
        named = name or f"{found.name} (copy of {found.id})"
        audience = msgspec.structs.replace(found.audience, segment=None)
        if only:
            if unit.messages.get(_message_id(found)).pruned_at is not None:
                raise Conflict(f"The deliveries of campaign {campaign_id} are no longer kept.")
            people = unit.lists.add(MailingList(tenant_id=tenant_id, name=f"{named}: {', '.join(only)}"))
            if not unit.lists.subscribe_from(people.id, _message_id(found), only):
                raise Conflict(f"Campaign {campaign_id} has no delivery that is {' or '.join(only)}.")
            audience = Audience(list_ids=(people.id,))
        draft = Campaign(
            tenant_id=tenant_id,
            name=named,
            audience=audience,
            **{field: getattr(found, field) for field in CONTENT},
        )
        made = create(courier, unit, draft)
        keep(unit, made)
    return made


def _message_id(campaign: Campaign) -> int:
    if campaign.message_id is None:
        raise Conflict(f"Campaign {campaign.id} has not started.")
    return campaign.message_id


def report(unit: UnitOfWork, campaign_id: int) -> Report:
    """Tell what became of everyone."""
    campaign = unit.campaigns.get(campaign_id)
    totals: dict[str, int] = {}
    resent = 0
    reasons: Sequence[Reason] = ()
    events: Mapping[FeedbackKind, Tally] = {}
    if campaign.message_id is not None:
        message = unit.messages.get(campaign.message_id)
        frozen = unit.reports.frozen(message.id) if message.pruned_at else None
        totals, resent = unit.deliveries.totals(message.id), message.resent or 0
        reasons = (frozen.reasons if frozen else unit.deliveries.reasons(message.id))[:REASONS_TOLD]
        events = frozen.events if frozen else unit.events.tally(message.id)
    return Report(
        campaign_id=campaign_id,
        status=public_status(campaign.status),
        pause_reason=campaign.pause_reason,
        audience=sum(totals.values()),
        states={state: totals[state] for state in STATES if totals.get(state)},
        events=events,
        resent=resent,
        reasons=reasons,
        started_at=campaign.started_at,
        completed_at=campaign.completed_at,
    )
