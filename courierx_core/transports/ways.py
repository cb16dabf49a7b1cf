"""What mail is told to go over: a transport or a route, named by the message, its tenant or the install."""

from __future__ import annotations

from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.ports.store import UnitOfWork
from courierx_core.transports.own import whole_name


def way_of(courier: Courier, unit: UnitOfWork, given: str) -> str:
    """Return what a message goes over: what it names, else what its tenant does, else the default."""
    name = given or unit.tenant.transport or courier.policy.default_transport
    return _meant(courier, unit.tenant_id, name)


def _meant(courier: Courier, tenant_id: int, name: str) -> str:
    """Return the whole name of what a tenant calls so: never what is another's."""
    if not name or name in courier.transports or name in courier.routes:
        return name
    whole = whole_name(name, tenant_id)
    return whole if "@" in name or courier.ways(whole) else name


def check_way(courier: Courier, tenant_id: int, checks: Checks, given: str) -> None:
    """Note a problem with the field `transport` unless it is empty or names a transport or a route
    that the tenant may use."""
    if given and not courier.ways(_meant(courier, tenant_id, given)):
        known = f"(configured: {courier.ways_known})"
        checks.add("transport", "not_found", f"no transport {given!r:.80} {known}")
