"""The audit log: append-only (SECURITY: S20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, true
from sqlalchemy.sql.dml import ReturningInsert

from courierx_core.audit import Act, Entry
from courierx_sql.accessor import TENANT, fresh_id, insert_into
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
        self._add(true(), action, subject, detail, actor)

    def note(self, act: Act) -> bool:
        """Add an entry where the transaction has changed something; tell whether it has."""
        condition = self._tenant.sets.HAS_CHANGED
        return self._add(condition, act.action, act.subject, act.detail, act.actor)

    def let_go(self, *, before: datetime, limit: int = 5000) -> int:
        entries = self._tenant.select(audit, audit.c.id, audit.c.at)
        first = entries.order_by(audit.c.id).limit(limit).subquery()
        old = select(first.c.id).where(first.c.at < before)
        return self._tenant.execute(self._tenant.delete(audit).where(audit.c.id.in_(old))).rowcount

    def _add(
        self, condition: ColumnElement[bool], action: str, subject: str, detail: Mapping[str, Any], actor: str
    ) -> bool:
        added = self._tenant.run(
            _adding(self._tenant.connection.dialect.name, condition),
            **self._tenant.fresh(audit),
            actor=actor,
            action=action,
            subject=subject,
            detail=dict(detail),
        )
        return added.one_or_none() is not None


@cache
def _adding(dialect: str, condition: ColumnElement[bool]) -> ReturningInsert[Any]:
    given = ("actor", "action", "subject", "detail")
    values: dict[str, ColumnElement[Any]] = {
        "tenant_id": TENANT,
        "id": fresh_id(dialect, audit),
        "at": now(),
        **{name: bindparam(name, type_=audit.c[name].type) for name in given},
    }
    rows = select(*values.values()).where(condition)
    return insert_into(dialect, audit).from_select(list(values), rows).returning(audit.c.id)
