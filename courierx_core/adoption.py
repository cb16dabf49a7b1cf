"""Adoption: a restored backup, or a copy of production, mails nobody until a person says so.

The store knows which environment and public URL it belongs to, and when a worker last lived on it. A
worker that finds another answer, or a silence longer than COURIERX_MAX_LATENESS_SECONDS, holds what is
open; `courierx adopt` lets it go on, or cancels it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from courierx_core.campaigns.model import can, move
from courierx_core.campaigns.service import cancel
from courierx_core.courier import Courier
from courierx_core.notify import TOPICS as NOTIFIED
from courierx_core.notify import notify
from courierx_core.ports.store import Installation, UnitOfWork
from courierx_core.work import Topic

log = logging.getLogger("courierx.worker")

REASON = "needs_adoption"
TOPICS: tuple[Topic, ...] = ("snapshot", "send", "schedule")


def check(courier: Courier) -> str:
    """Hold every open send and schedule if this database may not be ours to send for; return why, or ''.
    A database that belongs to nobody yet becomes ours."""
    with courier.store.platform() as platform:
        found = platform.installation()
        if not found.environment:
            platform.save_installation(_ours(courier, found))
            return ""
    why = _strange(courier, found)
    if not why:
        return ""
    held = sum(_hold(courier, tenant_id) for tenant_id in _tenants(courier))
    if held:
        log.warning("%s: %s open work items are held until `courierx adopt`", why, held)
    return why if held else ""


def adopt(courier: Courier, *, cancel_open: bool = False) -> int:
    """Make the database ours and let what was held go on, or cancel it; return the work items let go."""
    with courier.store.platform() as platform:
        platform.save_installation(_ours(courier, platform.installation()))
    freed = sum(_let_go(courier, tenant_id, cancel_open=cancel_open) for tenant_id in _tenants(courier))
    for topic in NOTIFIED:
        notify(courier, topic)
    return freed


def _ours(courier: Courier, found: Installation) -> Installation:
    return msgspec.structs.replace(
        found, environment=courier.runtime.environment, public_url=courier.runtime.public_url
    )


def _strange(courier: Courier, found: Installation) -> str:
    runtime = courier.runtime
    if found.environment != runtime.environment:
        return f"this database is of environment {found.environment}, this worker of {runtime.environment}"
    if found.public_url != runtime.public_url:
        return (
            f"this database sends for {found.public_url or 'no URL'}, not for {runtime.public_url or 'none'}"
        )
    if found.age_seconds > courier.policy.max_lateness:
        return f"no worker has lived on this database for {found.age_seconds:.0f} s; it may be an old backup"
    return ""


def _tenants(courier: Courier) -> Iterator[int]:
    before = None
    while True:
        with courier.store.platform() as platform:
            page = platform.tenants.list(before=before, limit=1000)
        yield from (tenant.id for tenant in page)
        if len(page) < 1000:
            return
        before = page[-1].id


def _hold(courier: Courier, tenant_id: int) -> int:
    with courier.store.begin(tenant_id) as unit:
        held = unit.work.hold_all(REASON, topics=TOPICS)
        for campaign_id in _campaigns(unit):
            campaign = unit.campaigns.get(campaign_id)
            if can(campaign.status, "pause"):
                unit.campaigns.save(move(campaign, "pause", reason=REASON), was=campaign.status)
    return held


def _let_go(courier: Courier, tenant_id: int, *, cancel_open: bool) -> int:
    with courier.store.begin(tenant_id) as unit:
        subjects = unit.work.held_for(REASON)
        campaigns = _campaigns(unit)
        if cancel_open:
            freed = len(subjects)
            for topic, subject_id in subjects:
                if topic == "send":
                    unit.deliveries.cancel_open(subject_id)
        else:
            freed = unit.work.unhold_all(REASON)
            for campaign_id in campaigns:
                campaign = unit.campaigns.get(campaign_id)
                if campaign.status == "paused" and campaign.pause_reason == REASON:
                    unit.campaigns.save(move(campaign, "resume"), was=campaign.status)
    if cancel_open:
        for campaign_id in campaigns:
            cancel(courier, tenant_id, campaign_id)
    return freed


def _campaigns(unit: UnitOfWork) -> list[int]:
    """Return the campaigns whose work is held for adoption."""
    found = set()
    for topic, subject_id in unit.work.held_for(REASON):
        if topic == "schedule":
            found.add(subject_id)
        elif (campaign_id := unit.messages.get(subject_id).campaign_id) is not None:
            found.add(campaign_id)
    return sorted(found)
