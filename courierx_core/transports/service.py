"""Pause a transport for everybody, tell the operator, and let it go on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from courierx_core.courier import Courier
from courierx_core.errors import CourierXError, NotFound
from courierx_core.operator_mail import tell_operator
from courierx_core.ports.driver import Problem, checked
from courierx_core.ports.platform import PlatformUnit
from courierx_core.ports.transport import Transport
from courierx_core.transports.model import PausedTransport, RouteStanding, TransportStanding, WarmDay
from courierx_core.transports.own import owner_of, whole_name

log = logging.getLogger("courierx.transports")


def paused(courier: Courier) -> Mapping[str, PausedTransport]:
    """Return what is paused, by name."""
    with courier.store.platform(write=False) as platform:
        return {each.name: each for each in platform.transports.paused()}


def warm_days(courier: Courier, unit: PlatformUnit, names: Iterable[str]) -> Mapping[str, WarmDay]:
    """Return how those of the transports stand that are warmed up, by name: today, used or not."""
    days = {}
    for name in names:
        policy = courier.policy.warmups.get(name)
        if policy is not None:
            last, now = unit.transports.warm_day(name)
            days[name] = policy.today(last, now.date())
    return days


def standing(courier: Courier, tenant_id: int | None = None) -> Sequence[TransportStanding]:
    """Return every transport of this process, and what is paused elsewhere, by name; asks those that are. A
    tenant sees the platform's and its own, the platform of tenants' own those that are paused."""
    stopped, days = _look(courier, courier.transports)
    seen = {*courier.transports, *stopped}
    if tenant_id is not None:
        with courier.store.begin(tenant_id, write=False) as unit:
            own = {whole_name(each.name, tenant_id) for each in unit.own_transports.list()}
        seen = {name for name in seen if owner_of(name) is None} | own
    return [_standing(courier, name, stopped, days) for name in sorted(seen)]


def _look(
    courier: Courier, names: Iterable[str]
) -> tuple[Mapping[str, PausedTransport], Mapping[str, WarmDay]]:
    with courier.store.platform(write=False) as unit:
        stopped = {each.name: each for each in unit.transports.paused()}
        return stopped, warm_days(courier, unit, names)


def routes(courier: Courier) -> Sequence[RouteStanding]:
    """Return every route, by name, with those of its transports that are paused."""
    stopped = paused(courier)
    return [
        RouteStanding(
            name=name,
            transports=route.transports,
            failover=route.failover,
            paused=[each for each in route.names if each in stopped],
        )
        for name, route in sorted(courier.routes.items())
    ]


def standing_of(courier: Courier, name: str) -> TransportStanding:
    """Return one of them, whether or not this process has it."""
    return _standing(courier, name, *_look(courier, [name]))


def _standing(
    courier: Courier, name: str, stopped: Mapping[str, PausedTransport], days: Mapping[str, WarmDay]
) -> TransportStanding:
    found = stopped.get(name)
    if found is None:
        return TransportStanding(name=name, state="running", warm_day=days.get(name))
    return TransportStanding(
        name=name,
        state="paused",
        reason=found.reason,
        since=found.since,
        recovered=recovered(courier, name) if courier.find_transport(name) else None,
        warm_day=days.get(name),
    )


def check(courier: Courier, name: str) -> Sequence[Problem]:
    """Ask the far side of a transport what is wrong. Raises NotFound."""
    return checked(required(courier, name))


def pause(courier: Courier, name: str, reason: str) -> bool:
    """Let nothing go over a transport until a person resumes it; False where that was so already.

    The operator gets a mail, over another transport if there is one. Raises StoreError.
    """
    with courier.store.platform() as platform:
        if not platform.transports.pause(name, reason):
            return False
    log.error("transport %s is paused: %s", name, reason)
    try:
        _tell(courier, name, reason)
    except CourierXError as problem:
        log.error("the operator is not told that %s is paused: %s", name, problem)
    return True


def resume(courier: Courier, name: str) -> bool:
    """Let mail go over a transport again, within a minute; False where it was not paused. Raises NotFound."""
    with courier.store.platform() as platform:
        if platform.transports.resume(name):
            return True
    required(courier, name)
    return False


def required(courier: Courier, name: str) -> Transport[Any]:
    """Return a transport of this process. Raises NotFound."""
    found = courier.find_transport(name)
    if found is None:
        have = ", ".join(courier.transports) or "none"
        raise NotFound(f"There is no transport called {name!r}; there is: {have}.")
    return found


def way_on(name: str) -> str:
    """Say what a person does about a paused transport."""
    return f"Mend it with the provider; then: courierx transports resume {name}"


def recovered(courier: Courier, name: str) -> bool:
    """Tell whether the far side is well again, as far as it says; asks it."""
    driver = courier.find_transport(name)
    return driver is not None and all(problem.level != "error" for problem in checked(driver))


def _tell(courier: Courier, name: str, reason: str) -> None:
    stopped = paused(courier)
    others = [each for each in courier.transports if each not in stopped]
    if not others:
        log.error("the operator is not told that %s is paused: nothing else carries mail", name)
        return
    text = (
        f"The transport {name} is paused, and no mail goes over it:\n\n    {reason}\n\n"
        f"What waits for it is kept. {way_on(name)}\n"
    )
    tell_operator(courier, f"CourierX: the transport {name} is paused", text, transport=others[0])
