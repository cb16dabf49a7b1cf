"""What is removed day by day, in turns so short that no other task waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from courierx_core.courier import Courier
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.model import PLATFORM_WIDE
from courierx_core.tenants.service import everyone
from courierx_core.upkeep.pruning import prune
from courierx_core.webhooks.model import LOG_DAYS
from courierx_core.webhooks.service import MOST
from courierx_core.work import Topic, WorkItem

TOPICS: tuple[Topic, ...] = ("prune",)
TURN_SECONDS = 2.0
"""How long a turn lasts at most, but for the step that it ends with; then others have as long."""
DAY_SECONDS = 24 * 3600.0
PLANNED = 100
"""For how many tenants a turn plans at most: leases wait for it to be renewed, and each is a commit."""
STEP = 5000
"""Entries of the audit log that one transaction removes."""


def plan(courier: Courier) -> bool:
    """See that every tenant of whom something is to be removed has a work item of topic prune; the platform's
    own audit log, which no tenant's item reaches, is looked after here. False: ask again soon, there are more
    tenants than one turn plans for."""
    left = PLANNED
    with courier.store.platform(write=False) as platform:
        planned = {*platform.tenants_with_work(TOPICS)}  # one look, instead of one for each tenant
    for tenant in everyone(courier.store):
        if tenant.id in planned:
            continue
        with courier.store.begin(tenant.id, write=False) as unit:
            wanted = _wanted(courier, unit) and not unit.work.open_items(tenant.id, topics=TOPICS)
        if wanted:
            item = WorkItem(tenant_id=tenant.id, stream="broadcast", topic="prune", subject_id=tenant.id)
            with courier.store.begin(tenant.id) as unit:
                unit.work.add(item)
            if not (left := left - 1):
                return False
    _remove_entries(courier, PLATFORM_WIDE)
    return True


def remove_old(courier: Courier, item: WorkItem) -> None:
    """Task of topic prune: remove what is kept no longer, for a turn; again soon if there is more, else in a
    day. Of two items of a tenant, which two workers made at once, one ends."""
    with courier.store.begin(item.tenant_id) as unit:
        if not _wanted(courier, unit) or unit.work.open_items(item.tenant_id, topics=TOPICS) > 1:
            unit.work.advance(item, cursor=0, done=True)
            return
        _remove_calls(courier, unit)
    more = _remove_rows(courier, item.tenant_id) or _remove_entries(courier, item.tenant_id)
    with courier.store.begin(item.tenant_id) as unit:
        unit.work.advance(item, cursor=0, delay_seconds=TURN_SECONDS if more else DAY_SECONDS)


def _wanted(courier: Courier, unit: UnitOfWork) -> bool:
    policy = courier.policy
    return policy.retention_days > 0 or policy.audit_retention_days > 0 or bool(_disabled(unit))


def _disabled(unit: UnitOfWork) -> Sequence[int]:
    """Receivers that nobody calls: the work item of each other one looks after its log."""
    return [each.id for each in unit.webhooks.list(limit=MOST) if each.status == "disabled"]


def _remove_calls(courier: Courier, unit: UnitOfWork) -> None:
    before = courier.runtime.now() - timedelta(days=LOG_DAYS)
    for webhook_id in _disabled(unit):
        unit.webhook_calls.let_go(webhook_id, before=before, waiting=True)


def _remove_rows(courier: Courier, tenant_id: int) -> bool:
    """Remove mail and imports, step by step; True where the turn ended before all was gone."""
    if not courier.policy.retention_days:
        return False
    before = courier.runtime.now() - timedelta(days=courier.policy.retention_days)
    until = courier.runtime.monotonic() + TURN_SECONDS
    steps = prune(courier.store, tenant_id, before=before)
    return any(courier.runtime.monotonic() >= until for _gone in steps)


def _remove_entries(courier: Courier, tenant_id: int) -> bool:
    """Remove a step of what was noted long ago; True where there may be more."""
    if not courier.policy.audit_retention_days:
        return False
    before = courier.runtime.now() - timedelta(days=courier.policy.audit_retention_days)
    with courier.store.begin(tenant_id) as unit:
        return unit.audit.let_go(before=before, limit=STEP) == STEP
