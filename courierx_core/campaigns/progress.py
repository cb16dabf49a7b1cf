"""How far a campaign is, and what it waits for: everything that keeps it from going on at full speed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

from courierx_core.campaigns.model import Campaign, CampaignStatus
from courierx_core.courier import Courier
from courierx_core.delivery.domain_rates import REASON
from courierx_core.delivery.model import OPEN, Delivery, Pace
from courierx_core.delivery.shares import broadcast_share
from courierx_core.domains.service import domain_of, unverified
from courierx_core.mail.address import split_address
from courierx_core.messages.model import Message
from courierx_core.messages.uncertain import WAIT_LEASES
from courierx_core.ports.store import UnitOfWork
from courierx_core.quotas.model import Quota
from courierx_core.senders.service import default_sender
from courierx_core.transports.model import PausedTransport, WarmDay
from courierx_core.transports.service import warm_days, way_on
from courierx_core.work import NEEDS_ADOPTION, Standing, WorkItem

WaitingCode: TypeAlias = Literal[
    "no_worker", "transport_rate", "domain_rate", "warmup", "transport_paused", "quota",
    "sender_unverified", "deferred_until", "lease", "preparing", "needs_adoption", "plugin", "resend",
]  # fmt: skip

WAITING: Mapping[WaitingCode, str] = {
    "needs_adoption": "The database woke up elsewhere or too late, and a person must say that it may send.",
    "no_worker": "No worker has been alive for a minute.",
    "preparing": "The audience is still being written down.",
    "lease": "A worker stopped answering; others take its work over when its lease ends.",
    "transport_paused": "The transport is down or was paused, and rests.",
    "transport_rate": "The transport takes no more per second.",
    "domain_rate": "A recipients' domain is sent no more per second, minute or hour.",
    "warmup": "The transport is being warmed up, and has had its day's mail.",
    "quota": "A quota is used up.",
    "sender_unverified": "The sender's domain is not verified, and the tenant requires that.",
    "plugin": "A plugin that must say who may get mail failed, and is asked again.",
    "deferred_until": "Recipients' systems asked to come back later.",
    "resend": "What is uncertain may still be settled; what is not is sent once more, as was asked for.",
}
"""The closed list, in the order in which they are told."""

MOVES: tuple[CampaignStatus, ...] = ("scheduled", "preparing", "sending")
RUNS: tuple[CampaignStatus, ...] = (*MOVES[1:], "paused")
STALE_SHARE = 0.5
"""A worker renews its leases six times in a lease; one that has this much of it left is late thrice."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Something a campaign waits for, since when (where that is known), and what a person can do."""

    code: WaitingCode
    detail: str
    since: datetime | None = None
    remedy: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a campaign is. `done` deliveries have an end; `in_flight` ones may have been handed over and
    have no answer yet; `rate_per_second` is of the last minute; `eta` is a guess from it, or None."""

    audience: int
    done: int
    in_flight: int
    rate_per_second: float
    eta: datetime | None
    waiting_for: Sequence[Waiting]


class _Found(msgspec.Struct, frozen=True):
    """What the store says of a campaign that has begun."""

    message: Message
    standing: Standing
    pace: Pace
    later: Sequence[tuple[datetime, Delivery]]
    """A delivery of each item that is due later, and when."""


def progress(courier: Courier, tenant_id: int, campaign_id: int) -> Progress:
    """Tell how far a campaign is and what it waits for. Raises NotFound."""
    with courier.store.platform(write=False) as platform:
        workers, heartbeat = platform.workers(), platform.installation().heartbeat_at
        paused = {each.name: each for each in platform.transports.paused()}
        days = warm_days(courier, platform, courier.policy.warmups)
    with courier.store.begin(tenant_id, write=False) as unit:
        campaign = unit.campaigns.get(campaign_id)
        totals = unit.deliveries.totals(campaign.message_id) if campaign.message_id else {}
        found = _look(courier, unit, campaign) if campaign.status in RUNS else None
        quotas = [each for each in unit.quotas.list() if each.used >= each.allowed] if found else []
        sender = list(_for_the_sender(courier, unit, campaign))
    audience = sum(totals.values())
    left = sum(totals.get(state, 0) for state in OPEN)
    return Progress(
        audience=audience,
        done=audience - left,
        in_flight=found.pace.in_flight if found else 0,
        rate_per_second=found.pace.per_second if found else 0.0,
        eta=_eta(courier.runtime.now(), found, left),
        waiting_for=[
            *_for_somebody(campaign, workers, heartbeat),
            *(_for_something(courier, campaign, audience, found, paused, days, quotas) if found else ()),
            *sender,
        ],
    )


def _look(courier: Courier, unit: UnitOfWork, campaign: Campaign) -> _Found:
    message_id = campaign.message_id or 0
    late = courier.policy.lease_seconds * STALE_SHARE
    standing = unit.work.standing(message_id, stale_seconds=late)
    later = [
        (item.due_at, unit.deliveries.get(_next_of(item)))
        for item in standing.later
        if item.due_at and item.topic == "send"
    ]
    return _Found(unit.messages.get(message_id), standing, unit.deliveries.pace(message_id), later)


def _next_of(item: WorkItem) -> int:
    """Return the id of the delivery that an item comes to next."""
    if item.ids is None:
        return min(item.cursor + 1, item.hi)
    return next((each for each in item.ids if each > item.cursor), item.hi)


def _eta(now: datetime, found: _Found | None, left: int) -> datetime | None:
    if found is None or not left:
        return None
    if found.standing.moving:
        rate = found.pace.per_second
        return now + timedelta(seconds=left / rate) if rate else None
    return min((due for due, _ in found.later), default=None)


def _for_somebody(campaign: Campaign, workers: int, heartbeat: datetime | None) -> Iterator[Waiting]:
    """What the whole install waits for."""
    if campaign.pause_reason == NEEDS_ADOPTION:
        at = campaign.scheduled_at if campaign.status == "scheduled" else None
        planned = f"it was to start at {_time(at)}, and " if at else ""
        yield Waiting(
            code="needs_adoption",
            detail=f"{planned}the database may be a copy or an old one, so it sends nothing by itself",
            since=campaign.updated_at,
            remedy="`courierx status` says more; `courierx adopt` lets it go on"
            + (", another time starts it then." if at else "."),
        )
    elif campaign.status in MOVES and not workers:
        yield Waiting(
            code="no_worker",
            detail="no worker is alive, so nothing is sent",
            since=heartbeat,
            remedy="Start one: `courierx worker`, or `courierx serve`, which has one.",
        )


def _for_the_sender(courier: Courier, unit: UnitOfWork, campaign: Campaign) -> Iterator[Waiting]:
    """Say of a scheduled campaign that its start would be refused now: what has started is not asked."""
    if campaign.status != "scheduled":
        return
    given = campaign.from_email
    sender = split_address(given, "from_email") if given else default_sender(courier, unit)
    if sender is None:
        return
    for problem in unverified(unit, sender.domain, domain_of(unit, sender.domain)):
        yield Waiting(
            code="sender_unverified",
            detail=problem.message,
            since=campaign.updated_at,
            remedy="`courierx domains records` shows what to publish; else it is a draft again then.",
        )


def _for_something(
    courier: Courier,
    campaign: Campaign,
    audience: int,
    found: _Found,
    paused: Mapping[str, PausedTransport],
    days: Mapping[str, WarmDay],
    quotas: Sequence[Quota],
) -> Iterator[Waiting]:
    """What this campaign waits for; a paused one for a person, as its reason says."""
    if campaign.status == "paused":
        return
    if campaign.status == "preparing":
        yield Waiting(
            code="preparing",
            detail=f"{audience:,} people are written down so far",
            since=campaign.started_at,
            remedy="None needed: sending has begun with those.",
        )
    ways = courier.ways(found.message.transport) or (found.message.transport,)
    all_paused = all(each in paused for each in ways)
    for stopped in [paused[each] for each in ways] if all_paused else ():
        yield Waiting(
            code="transport_paused",
            detail=f"transport {stopped.name} is paused: {stopped.reason}",
            since=stopped.since,
            remedy=way_on(stopped.name),
        )
    warm = [] if all_paused else list(_for_tomorrow(courier, found, ways, paused, days))
    yield from warm
    yield from _for_a_quota(found, quotas)
    standing = found.standing
    if standing.stale and standing.stale_until:
        yield Waiting(
            code="lease",
            detail=f"a worker that stopped answering holds {standing.stale} items until"
            f" {_time(standing.stale_until)}",
            since=standing.stale_until - timedelta(seconds=courier.policy.lease_seconds),
            remedy="Wait: another worker takes them over then.",
        )
    told: set[WaitingCode] = {"transport_paused"} if all_paused else set()
    told |= {each.code for each in warm}
    told |= {"quota"} if quotas else set()
    yield from _for_a_time(found, told)
    for item in standing.later:
        if item.topic == "resend" and item.due_at:
            yield Waiting(
                code="resend",
                detail=f"what is still uncertain at {_time(item.due_at)} is sent once more",
                since=item.due_at - timedelta(seconds=WAIT_LEASES * courier.policy.lease_seconds),
                remedy="None needed; a cancel leaves it uncertain.",
            )
    yield from _for_the_rate(courier, found)


def _for_tomorrow(
    courier: Courier,
    found: _Found,
    ways: Sequence[str],
    paused: Mapping[str, PausedTransport],
    days: Mapping[str, WarmDay],
) -> Iterator[Waiting]:
    """Say which transports have had their day's mail, where no other carries the message."""
    over = {
        name: policy
        for name, policy in courier.policy.warmups.items()
        if name in ways and not policy.free(days[name]) and not policy.room(days[name], found.message.stream)
    }
    if not found.standing.later or any(each not in over and each not in paused for each in ways):
        return
    for name, policy in over.items():
        day = days[name]
        why = f"sent {day.used:,} of the {day.allowed:,} that its warm-up allows today"
        if policy.holds(day):
            why = f"sends no more today: receivers objected to {day.objected:,} of {day.answered:,}"
        yield Waiting(
            code="warmup",
            detail=f"transport {name} {why}",
            remedy="It goes on after midnight UTC; else give the campaign a route with another transport.",
        )


def _for_a_quota(found: _Found, quotas: Sequence[Quota]) -> Iterator[Waiting]:
    """Say which quotas are used up, while something is left to send."""
    for quota in quotas if found.standing.moving or found.standing.later else ():
        again = f", and it resets at {_time(quota.resets_at)}" if quota.resets_at else ""
        yield Waiting(
            code="quota",
            detail=f"the tenant may send {quota.allowed:,} a {quota.period}{again}",
            remedy="It goes on by itself then; `courierx tenants quota` raises it.",
        )


def _for_a_time(found: _Found, told: set[WaitingCode]) -> Iterator[Waiting]:
    """Say once for each reason not `told` yet why items are due later, with the earliest of them."""
    for due, delivery in found.later:
        plugin = delivery.reason.removeprefix("plugin:") if delivery.reason.startswith("plugin:") else ""
        code: WaitingCode = "plugin" if plugin else "deferred_until"
        detail, remedy = f"deferred mail is tried again from {_time(due)}", "None needed."
        if plugin:
            detail = f"plugin {plugin} failed and is asked again at {_time(due)}"
            remedy = f"Look at what {plugin} says in the log."
        elif delivery.reason.startswith(REASON):
            code, domain = "domain_rate", delivery.reason.removeprefix(REASON)
            detail = f"mail to {domain} waits for its turn, the next from {_time(due)}"
            remedy = f"None needed; else raise its rate in [rates], where {domain} takes more."
        elif delivery.state == "queued" and not delivery.reply and told & {"quota", "warmup"}:
            continue
        elif delivery.state == "queued":
            code, words = "transport_paused", delivery.reply or "it is down"
            name = delivery.transport or found.message.transport
            detail = f"transport {name} rests until {_time(due)}: {words}"
            remedy = "None if it passes; else `courierx doctor` checks the transport."
        elif delivery.reply:
            detail += f"; one was told: {delivery.reply}"
        if code not in told:
            told.add(code)
            yield Waiting(code=code, detail=detail, since=delivery.updated_at, remedy=remedy)


def _for_the_rate(courier: Courier, found: _Found) -> Iterator[Waiting]:
    message, pace, name = found.message, found.pace, found.message.transport
    traits = [courier.transport(each).limits() for each in _shared(courier, message)]
    if not traits or not all(each.per_second for each in traits):
        return
    if not found.standing.moving or found.standing.stale:
        return
    takes = sum(each.per_second for each in traits)
    share = broadcast_share(takes) if message.stream == "broadcast" else takes
    # the window begins at twice the connections: where it has room, only permits can be lacking
    if pace.per_second < share / 2 and pace.in_flight >= 2 * max(each.max_concurrency for each in traits):
        return
    of_it = f", {share} of them for campaigns" if share < takes else ""
    yield Waiting(
        code="transport_rate",
        detail=f"transport {name} takes {takes}/s{of_it}",
        remedy=f"Raise transports.{name}.per_second, where the far side allows more.",
    )


def _shared(courier: Courier, message: Message) -> Iterable[str]:
    """Return what carries a message while all is well."""
    route = courier.routes.get(message.transport)
    return route.transports if route is not None else courier.ways(message.transport)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
