"""Read every metric of an install, from whatever process is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from courierx_core import adoption
from courierx_core.courier import Courier
from courierx_core.errors import StoreError
from courierx_core.metrics.model import (
    FAMILIES,
    HEARTBEAT,
    INFO,
    NEEDS_ADOPTION,
    PLUGIN_LEFT_OUT,
    QUEUE_UP,
    STORE_UP,
    SWEEP_LAG,
    TALLIED,
    TRANSPORT_PAUSED,
    WORK_DUE,
    WORK_DUE_SECONDS,
    WORK_LEASED,
    WORKERS,
    Family,
    Samples,
)
from courierx_core.ports.metrics import NO_TENANT, OTHER_TENANTS
from courierx_core.ports.platform import PlatformUnit


def read(courier: Courier, *, version: str, tenants: int = 100) -> Mapping[Family, Samples]:
    """Return what is known now of every family; with the store away, only that and what needs none."""
    found: dict[Family, Samples] = {family: {} for family in FAMILIES}
    found[INFO] = {(version, courier.runtime.environment): 1}
    found[QUEUE_UP] = {(): not any(problem.level == "error" for problem in courier.queue.check())}
    found[PLUGIN_LEFT_OUT] = {(plugin,): 1 for plugin in courier.hooks.quarantined}
    courier.tallies.write(courier.store)
    try:
        with courier.store.platform(write=False) as platform:
            stored = _stored(courier, platform, tenants)
        stored[NEEDS_ADOPTION] = {(): bool(adoption.needed(courier.store, courier.runtime, courier.policy))}
    except StoreError:
        found[STORE_UP] = {(): 0}
        return found
    return found | stored | {STORE_UP: {(): 1}}


def _stored(courier: Courier, platform: PlatformUnit, tenants: int) -> dict[Family, Samples]:
    backlog = platform.metrics.backlog()
    beat = platform.metrics.heartbeat_seconds()
    paused = {each.name for each in platform.transports.paused()}
    of = {(each.topic, each.stream): each for each in backlog}
    return {
        WORKERS: {(): platform.workers()},
        HEARTBEAT: {} if beat is None else {(): beat},
        SWEEP_LAG: {(): max((each.expired_seconds for each in backlog), default=0)},
        WORK_DUE: {key: each.due for key, each in of.items()},
        WORK_DUE_SECONDS: {key: each.due_seconds for key, each in of.items()},
        WORK_LEASED: {key: each.leased for key, each in of.items()},
        TRANSPORT_PAUSED: {(name,): name in paused for name in courier.transports},
        PLUGIN_LEFT_OUT: _left_out(courier, platform),
        **_tallied(platform, tenants),
    }


def _left_out(courier: Courier, platform: PlatformUnit) -> Samples:
    processes = Counter(courier.hooks.quarantined.keys())
    processes.update({each.plugin: each.workers for each in platform.left_out()})
    return {(plugin,): n for plugin, n in processes.items()}


def _tallied(platform: PlatformUnit, tenants: int) -> dict[Family, Samples]:
    families = {family.tally: family for family in TALLIED}
    found: dict[Family, Samples] = {family: {} for family in TALLIED}
    for each in platform.metrics.tallies(tenants=tenants):
        family = families.get(each.name)
        if family is None:  # of a version that counted something else
            continue
        key = (each.source, each.outcome)
        found[family][(_tenant(each.tenant_id), *key) if "tenant" in family.labels else key] = each.n
    return found


def _tenant(tenant_id: int) -> str:
    return {OTHER_TENANTS: "other", NO_TENANT: ""}.get(tenant_id, str(tenant_id))
