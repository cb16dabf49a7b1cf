"""Use cases of quotas. Who sets them is the platform: a tenant does not raise its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from courierx_core.checking import Checks
from courierx_core.ports.store import UnitOfWork
from courierx_core.quotas.model import ALLOWED_MAX, PERIODS, Period, Quota
from courierx_core.tenants.service import require


def change(unit: UnitOfWork, allowed: Mapping[Period, int | None]) -> Sequence[Quota]:
    """Set the quotas of these periods, or lift them (None); what was used in a period stays used. Returns
    all that there are then. Raises NotFound, InvalidInput."""
    require(unit)
    checks = Checks()
    for period, number in allowed.items():
        if number is not None and not 0 <= number <= ALLOWED_MAX:
            checks.add(period, "out_of_range", f"is 0 to {ALLOWED_MAX:,} attempts, not {number:,}")
    checks.done()
    for period in PERIODS:
        if period in allowed:
            unit.quotas.set(period, allowed[period])
    return unit.quotas.list()
