"""What mail is told to go over: a transport or a route, named by the message, its tenant or the install."""

from __future__ import annotations

from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.ports.store import UnitOfWork


def way_of(courier: Courier, unit: UnitOfWork, given: str) -> str:
    """Return what a message goes over: what it names, else what its tenant does, else the default."""
    return given or unit.tenant.transport or courier.policy.default_transport


def check_way(courier: Courier, checks: Checks, given: str) -> None:
    """Note a problem with the field `transport` unless it is empty or names a transport or a route."""
    if given and not courier.ways(given):
        known = f"(configured: {courier.ways_known})"
        checks.add("transport", "not_found", f"no transport {given!r:.80} {known}")
