"""The audit log: append-only (SECURITY: S20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from courierx_core.audit import Entry
from courierx_sql.clock import now
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import audit


class AuditRows(Slice[Entry]):
    table = audit
    struct = Entry
    noun = "entry of the audit log"

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Entry]:
        return self._page(before, limit)

    def add(self, action: str, subject: str, detail: Mapping[str, Any], *, actor: str) -> None:
        self._tenant.execute(
            self._tenant.insert(audit).values(
                id=self._tenant.reserve(audit),
                at=now(),
                actor=actor,
                action=action,
                subject=subject,
                detail=dict(detail),
            )
        )
