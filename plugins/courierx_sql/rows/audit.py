"""The audit log: append-only (SECURITY: S20)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.tables import audit


class AuditRows:
    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

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
