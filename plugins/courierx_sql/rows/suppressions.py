"""Suppressions: of a tenant, or of the platform in a unit bound to tenant 0."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from typing import Any

from sqlalchemy import ColumnElement, or_

from courierx_core.errors import Conflict
from courierx_core.suppression.model import Suppression
from courierx_sql.clock import now
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import suppressions


class SuppressionRows(Slice[Suppression]):
    table = suppressions
    struct = Suppression
    noun = "suppression"

    def add(self, suppression: Suppression) -> Suppression:
        self._drop_expired([suppression.address])
        added = self._insert(suppression)
        if added is None:
            raise Conflict(f"{suppression.address} is suppressed already.")
        return added

    def add_many(self, suppressions_: Sequence[Suppression]) -> int:
        by_address = {each.address: each for each in reversed(suppressions_)}
        if not by_address:
            return 0
        self._drop_expired(list(by_address))
        first = self._tenant.reserve(suppressions, len(by_address))
        rows: list[dict[str, Any]] = [
            {"id": first + n, **self._values(each)} for n, each in enumerate(by_address.values())
        ]
        statement = (
            self._tenant.insert(suppressions)
            .values(created_at=now())
            .on_conflict_do_nothing()
            .returning(suppressions.c.id)
        )
        return len(self._tenant.execute(statement, rows).all())

    def strengthen(self, suppression: Suppression) -> None:
        columns = suppressions.c
        weaker: ColumnElement[bool] = columns.expires_at.is_not(None)
        if suppression.cause != "unsubscribe" and suppression.expires_at is None:
            weaker |= columns.cause == "unsubscribe"
        self._tenant.execute(
            self._tenant.delete(suppressions).where(columns.address == suppression.address, weaker)
        )
        self._insert(suppression)

    def list(
        self, *, before: int | None = None, limit: int = 100, address: str | None = None
    ) -> Sequence[Suppression]:
        conditions = [_holds()]
        if address is not None:
            conditions.append(suppressions.c.address == address)
        return self._page(before, limit, *conditions)

    def among(self, addresses: Collection[str]) -> Set[str]:
        statement = self._tenant.select(suppressions, suppressions.c.address).where(
            suppressions.c.address.in_(addresses), _holds()
        )
        return set(self._tenant.execute(statement).scalars())

    def _drop_expired(self, addresses: Sequence[str]) -> None:
        """An expired suppression holds nobody back, so it must not stop a new one either."""
        self._tenant.execute(
            self._tenant.delete(suppressions).where(
                suppressions.c.address.in_(addresses), suppressions.c.expires_at <= now()
            )
        )


def _holds() -> ColumnElement[bool]:
    return or_(suppressions.c.expires_at.is_(None), suppressions.c.expires_at > now())
