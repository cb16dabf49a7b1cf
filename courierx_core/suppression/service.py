"""Use cases of suppressions: add, lift. A file of them is an import (`courierx_core.imports`)."""

from __future__ import annotations

from datetime import datetime

from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.erasure.marks import marks_of
from courierx_core.errors import NotFound
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.model import REASON_MAX, Suppression, cause_of, listed_as


def suppress(
    unit: UnitOfWork,
    address: str,
    reason: str = "",
    *,
    until: datetime | None = None,
    now: datetime | None = None,
) -> Suppression:
    """Suppress an address, or a whole domain (`listed_as`), for good or `until` a time after `now`. Raises
    InvalidInput with every bad field, Conflict when it is already."""
    checks = Checks()
    if until is not None and until.tzinfo is None:
        checks.add("expires_at", "invalid", "takes a time with its offset, such as 2026-01-31T12:00:00Z")
    elif until is not None and now is not None and until <= now:
        checks.add("expires_at", "in_the_past", "must be later than now")
    suppression = Suppression(
        tenant_id=unit.tenant_id,
        address=checks.by("email", address, listed_as),
        reason=checks.text("reason", reason, longest=REASON_MAX, required=False),
        cause=cause_of(reason),
        expires_at=until,
    )
    checks.done()
    return unit.suppressions.add(suppression)


def unsuppress(courier: Courier, unit: UnitOfWork, address: str) -> None:
    """Let an address, or a domain, get mail again, also one whose person was erased. Raises InvalidInput,
    NotFound where it is not listed."""
    listed = listed_as(address)
    found = [*unit.suppressions.list(address=listed), *marks_of(courier, unit, listed)]
    if not found:
        raise NotFound(f"{address} is not on this tenant's suppression list.")
    for each in found:
        unit.suppressions.remove(each.id)
