"""Use cases of tenants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.errors import InvalidInput
from courierx_core.keep import Keep, nothing
from courierx_core.messages.model import OnUncertain
from courierx_core.ports.platform import PlatformUnit
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.tenants.branding import checked, checked_host
from courierx_core.tenants.model import NAME_MAX, WEIGHT_MAX, Branding, Tenant
from courierx_core.transports.ways import check_way

PAGE = 1000


def create(
    store: Store[Any],
    *,
    name: str,
    contact_email: str,
    default_from: str = "",
    branding: Branding = Branding(),  # noqa: B008  frozen
    keep: Keep[Tenant] = nothing,
) -> Tenant:
    """Add a tenant. Raises InvalidInput with every bad field, Conflict on a name that is taken."""
    checks = Checks()
    tenant = Tenant(
        name=checks.text("name", name, longest=NAME_MAX),
        contact_email=checks.address("contact_email", contact_email),
        default_from=checks.mailbox("default_from", default_from),
        branding=checked(checks, branding),
    )
    checks.done()
    with store.platform() as unit:
        made = unit.tenants.add(tenant)
        keep(unit, made)
    return made


def ensure(store: Store[Any], name: str) -> Tenant:
    """Return the tenant of that name, made now if there is none: what the operator sends without naming a
    tenant belongs to somebody too."""
    with store.platform() as unit:
        return unit.tenants.by_name(name) or unit.tenants.add(Tenant(name=name, contact_email=""))


def everyone(store: Store[Any]) -> Iterator[Tenant]:
    """Give every tenant, newest first, in as many pages as it takes; no unit is open in between."""
    before: int | None = None
    while True:
        with store.platform(write=False) as unit:
            page = unit.tenants.list(before=before, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        before = page[-1].id


def require(unit: UnitOfWork) -> None:
    """Raise NotFound unless the unit's tenant exists: a platform key may name any number."""
    unit.tenant  # noqa: B018  read for what it raises


def vouch(store: Store[Any], tenant_id: int) -> Tenant:
    """Take the operator's word for a tenant. Raises NotFound."""
    with store.platform() as unit:
        return unit.tenants.save(msgspec.structs.replace(unit.tenants.get(tenant_id), ses_verified=True))


def weigh(store: Store[Any], tenant_id: int, weight: int) -> Tenant:
    """Give a tenant its share, 1 to 100, of the deliveries that go out where several have some; it is the
    operator's to give. Raises NotFound, InvalidInput."""
    if not 1 <= weight <= WEIGHT_MAX:
        raise InvalidInput.of("weight", "out_of_range", f"is {weight}; it takes 1 to {WEIGHT_MAX}")
    with store.platform() as unit:
        return unit.tenants.save(msgspec.structs.replace(unit.tenants.get(tenant_id), weight=weight))


def edit(
    courier: Courier,
    unit: PlatformUnit,
    tenant_id: int,
    *,
    name: str | None = None,
    contact_email: str | None = None,
    default_from: str | None = None,
    requires_verified_domain: bool | None = None,
    branding: Branding | None = None,
    public_url: str | None = None,
    tracking: bool | None = None,
    on_uncertain: OnUncertain | None = None,
    transport: str | None = None,
) -> Tenant:
    """Change what is given. Raises NotFound, InvalidInput, Conflict."""
    checks = Checks()
    changes: dict[str, str | bool | Branding] = {}
    if name is not None:
        changes["name"] = checks.text("name", name, longest=NAME_MAX)
    if contact_email is not None:
        changes["contact_email"] = checks.address("contact_email", contact_email)
    if default_from is not None:
        changes["default_from"] = checks.mailbox("default_from", default_from)
    if requires_verified_domain is not None:
        changes["requires_verified_domain"] = requires_verified_domain
    if branding is not None:
        changes["branding"] = checked(checks, branding)
    if public_url is not None:
        changes["public_url"] = checked_host(checks, public_url)
    if tracking is not None:
        changes["tracking"] = tracking
    if on_uncertain is not None:
        changes["on_uncertain"] = on_uncertain
    if transport is not None:
        check_way(courier, tenant_id, checks, transport)
        changes["transport"] = transport
    checks.done()
    return unit.tenants.save(msgspec.structs.replace(unit.tenants.get(tenant_id), **changes))
