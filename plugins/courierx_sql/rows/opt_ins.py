"""Opt-ins: who asked to be on a list, and said yes to it. Kept as the proof."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func

from courierx_core.audience.model import OptIn
from courierx_sql.clock import now
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import opt_ins


class OptInRows(Slice[OptIn]):
    table = opt_ins
    struct = OptIn
    noun = "opt-in"

    def add(self, opt_in: OptIn) -> OptIn:
        added = self._insert(opt_in)
        assert added is not None  # it has no unique key but its id
        return added

    def confirm(self, opt_in_id: int, *, text: str, source: str) -> OptIn:
        values = {"text": text, "confirmed_from": source, "confirmed_at": now()}
        confirmed = self._update(opt_in_id, values)
        if confirmed is None:
            raise self._missing(opt_in_id)
        return confirmed

    def asked(self, email: str, *, since: datetime) -> int:
        columns = opt_ins.c
        statement = self._tenant.select(opt_ins, func.count()).where(
            columns.email == email, columns.asked_at >= since
        )
        return int(self._tenant.execute(statement).scalar_one())

    def list(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        list_id: int | None = None,
        email: str | None = None,
    ) -> Sequence[OptIn]:
        given = (("list_id", list_id), ("email", email))
        return self._page(
            before, limit, *(opt_ins.c[name] == value for name, value in given if value is not None)
        )

    def _values(self, value: OptIn) -> dict[str, Any]:
        return {**super()._values(value), "asked_at": now()}
