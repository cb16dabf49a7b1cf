"""Campaigns whose time has come."""

from __future__ import annotations

import logging

import msgspec

from courierx_core.campaigns.model import Campaign, move
from courierx_core.campaigns.service import start_in
from courierx_core.courier import Courier
from courierx_core.errors import CourierXError, Fenced, StoreError
from courierx_core.notify import notify
from courierx_core.ports.store import UnitOfWork
from courierx_core.work import NEEDS_ADOPTION, WorkItem

log = logging.getLogger("courierx.campaigns")


def start_scheduled(courier: Courier, item: WorkItem) -> None:
    """Task of topic schedule: start the campaign if that is still what its owner wants; once, because the
    item ends in the same transaction. One that cannot be started is a draft again, and says why; one whose
    time passed longer ago than COURIERX_MAX_LATENESS_SECONDS waits for a person."""
    try:
        with courier.store.begin(item.tenant_id) as unit:
            unit.work.advance(item, cursor=0, done=True)
            campaign = unit.campaigns.get(item.subject_id)
            if campaign.status != "scheduled":
                return
            if _lateness(courier, item) > courier.policy.max_lateness:
                _wait_for_a_person(unit, campaign, item)
                return
            start_in(courier, unit, item.subject_id)
    except (Fenced, StoreError):
        raise
    except CourierXError as error:
        _note_failed_start(courier, item, str(error))
    else:
        notify(courier, "tasks")


def _lateness(courier: Courier, item: WorkItem) -> float:
    """Return how long after its time an item was claimed, in seconds by the database's clock: the lease
    began with the claim, and this process's own clock may be wrong."""
    if item.due_at is None or item.lease_until is None:
        return 0.0
    return (item.lease_until - item.due_at).total_seconds() - courier.policy.lease_seconds


def _wait_for_a_person(unit: UnitOfWork, campaign: Campaign, item: WorkItem) -> None:
    """Hold a schedule for `courierx adopt`, or for whoever sets another time."""
    log.warning("campaign %s was to start at %s: too late to start by itself", campaign.id, item.due_at)
    unit.work.add(
        WorkItem(
            tenant_id=item.tenant_id,
            stream=item.stream,
            topic="schedule",
            subject_id=campaign.id,
            due_at=item.due_at,
            state="held",
            error=NEEDS_ADOPTION,
        )
    )
    unit.campaigns.save(msgspec.structs.replace(campaign, pause_reason=NEEDS_ADOPTION), was=campaign.status)


def _note_failed_start(courier: Courier, item: WorkItem, why: str) -> None:
    with courier.store.begin(item.tenant_id) as unit:
        unit.work.advance(item, cursor=0, done=True, error=why)
        campaign = unit.campaigns.get(item.subject_id)
        draft = msgspec.structs.replace(move(campaign, "unschedule"), pause_reason=f"not started: {why}")
        unit.campaigns.save(draft, was=campaign.status)
