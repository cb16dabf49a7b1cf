"""Upkeep: what is wrong between the rows, and what is kept no longer."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from courierx_core.ports.upkeep import Broken
from courierx_sql.accessor import Accessor
from courierx_sql.rows.invariants import checks


class UpkeepRows:
    """See `ports.upkeep.Upkeep`."""

    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

    def broken(self, *, examples: int = 5) -> Sequence[Broken]:
        found = []
        for check in checks(self._tenant):
            rows = check.rows.subquery()
            some = self._tenant.execute(
                select(rows.c.id, func.count().over().label("n")).order_by(rows.c.id).limit(examples)
            ).all()
            if some:
                ids = tuple(row.id for row in some)
                found.append(
                    Broken(invariant=check.invariant, what=check.what, count=some[0].n, examples=ids)
                )
        return found
