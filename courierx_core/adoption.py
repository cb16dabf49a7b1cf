"""Adoption: a restored backup, or a copy of production, mails nobody until a person says so.

The store knows which environment and public URL it belongs to, and when a worker last lived on it. A
worker that finds another answer, or a silence longer than COURIERX_MAX_LATENESS_SECONDS, while something
would go out by itself, holds it and sends nothing until `courierx adopt`. With nothing on its way there is
nothing to ask: the database becomes ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from courierx_core.campaigns.model import Campaign, can, move
from courierx_core.campaigns.service import cancel, release
from courierx_core.courier import Courier, Policy
from courierx_core.errors import NotFound
from courierx_core.messages.service import complete_message
from courierx_core.notify import TOPICS as NOTIFIED
from courierx_core.notify import notify
from courierx_core.ports.driver import Runtime
from courierx_core.ports.platform import DISOWNED, Installation, PlatformUnit
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.work import NEEDS_ADOPTION, OF_MESSAGE, Topic

TOPICS: tuple[Topic, ...] = (*OF_MESSAGE, "schedule")
WAY_ON = "`courierx adopt` lets it go on here, `courierx adopt --cancel-open` cancels what is open."


def silence(policy: Policy) -> float:
    """Return the seconds without a worker that need no explanation; one says several times in a lease that
    it lives."""
    return max(policy.max_lateness, policy.lease_seconds)


def needed(store: Store[Any], runtime: Runtime, policy: Policy) -> str:
    """Say why the database waits for `courierx adopt`; '' when it does not. Writes nothing."""
    with store.platform(write=False) as platform:
        why = _strange(platform.installation(), runtime, policy)
        return why if why and _waiting(platform) else ""


def check(courier: Courier, owner: str = "") -> str:
    """Make the database ours, with a heartbeat, and return ''; or, where it may not be ours to send for,
    hold every open send and schedule and return why. `owner` is the worker that asks."""
    with courier.store.platform() as platform:
        if owner:
            platform.beat(owner, courier.hooks.left_out)
        found = platform.installation()
        why = _strange(found, courier.runtime, courier.policy)
        waiting = _waiting(platform) if why else set()
        if not waiting:
            platform.save_installation(_ours(found, courier.runtime))
            return ""
    for tenant_id in sorted(waiting):
        with courier.store.begin(tenant_id) as unit:
            unit.work.hold_all(NEEDS_ADOPTION, topics=TOPICS)
            _show(unit)
    return why


def adopt(courier: Courier, *, cancel_open: bool = False) -> int:
    """Make the database ours and let what was held go on, or cancel it; return how many campaigns and
    single messages that were. What a crash leaves held, the next `adopt` finds."""
    with courier.store.platform() as platform:
        waiting = sorted(_waiting(platform))
    # Cancelled first and let go last: what is not ours is not sent, whatever comes between.
    settled = sum(_cancel(courier, each) for each in waiting) if cancel_open else 0
    with courier.store.platform() as platform:
        platform.save_installation(_ours(platform.installation(), courier.runtime))
    if not cancel_open:
        settled = sum(_let_go(courier, each) for each in waiting)
    for topic in NOTIFIED:
        notify(courier, topic)
    return settled


def _strange(found: Installation, runtime: Runtime, policy: Policy) -> str:
    if not found.environment:
        return ""
    if found.environment != runtime.environment:
        return f"this database belongs to the environment {found.environment}, not to {runtime.environment}"
    url = _address(runtime)
    if url is not None and found.public_url != url:
        return f"this database sends for {found.public_url or 'no public URL'}, not for {url or 'none'}"
    if found.heartbeat_at == DISOWNED:
        return "this database was copied or restored: what is open in it may be sent already"
    if found.age_seconds > silence(policy):
        hours = found.age_seconds / 3600
        return f"no worker has lived on this database for {hours:.1f} h: it may be an old backup"
    return ""


def _address(runtime: Runtime) -> str | None:
    """Return the public URL that tells installs apart; a developer's own machine has none."""
    url = runtime.public_url.rstrip("/")
    if runtime.environment != "development":
        return url
    host = urlsplit(url).hostname or "localhost"
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return None if loopback else url


def _ours(found: Installation, runtime: Runtime) -> Installation:
    url = _address(runtime)
    return msgspec.structs.replace(
        found,
        environment=runtime.environment,
        public_url=found.public_url if url is None else url,
    )


def _waiting(platform: PlatformUnit) -> set[int]:
    """Return the tenants of which something would be sent, or is held because it would."""
    held = platform.tenants_with_work(TOPICS, held_for=NEEDS_ADOPTION)
    return {*platform.tenants_with_work(TOPICS), *held}


class _Held(NamedTuple):
    """What of a tenant is held for adoption."""

    campaigns: Sequence[Campaign]
    singles: Sequence[int]
    """Messages of no campaign."""


def _held(unit: UnitOfWork) -> _Held:
    campaigns: dict[int, Campaign] = {}
    singles = set()
    for topic, subject_id in unit.work.held_for(NEEDS_ADOPTION):
        of = subject_id if topic == "schedule" else unit.messages.get(subject_id).campaign_id
        try:
            campaign = None if of is None else unit.campaigns.get(of)
        except NotFound:  # deleted since
            campaign = None
        if campaign is not None:
            campaigns[campaign.id] = campaign
        elif topic != "schedule":
            singles.add(subject_id)
    return _Held([campaigns[each] for each in sorted(campaigns)], sorted(singles))


def _show(unit: UnitOfWork) -> None:
    """Let the campaigns whose work is held say so. A scheduled one stays scheduled."""
    for campaign in _held(unit).campaigns:
        if campaign.status == "scheduled":
            shown = msgspec.structs.replace(campaign, pause_reason=NEEDS_ADOPTION)
        elif can(campaign.status, "pause"):
            shown = move(campaign, "pause", reason=NEEDS_ADOPTION)
        else:
            continue
        unit.campaigns.save(shown, was=campaign.status)


def _let_go(courier: Courier, tenant_id: int) -> int:
    with courier.store.begin(tenant_id) as unit:
        held = _held(unit)
        for campaign in held.campaigns:
            release(unit, campaign)
        for message_id in held.singles:
            unit.work.unhold(message_id)
    return len(held.campaigns) + len(held.singles)


def _cancel(courier: Courier, tenant_id: int) -> int:
    with courier.store.begin(tenant_id) as unit:
        unit.work.hold_all(NEEDS_ADOPTION, topics=TOPICS)
        held = _held(unit)
        for message_id in held.singles:
            unit.deliveries.cancel_open(message_id)
            unit.messages.note_cancelled(message_id)
        for campaign in held.campaigns:
            if not can(campaign.status, "cancel"):  # cancelled before, and being counted to its end
                release(unit, campaign)
    for campaign in held.campaigns:
        if can(campaign.status, "cancel"):
            cancel(courier, tenant_id, campaign.id)
    for message_id in held.singles:
        complete_message(courier, tenant_id, message_id)
    return len(held.campaigns) + len(held.singles)
