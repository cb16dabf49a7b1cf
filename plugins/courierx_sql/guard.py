"""The fence behind the accessor: no SQLAlchemy statement touches a tenant's table without its tenant.

`watch(engine)` listens before every statement. Each occurrence of a table of `tables.OWNED`, however
deep (join, subquery, CTE, INSERT ... SELECT), must be tied to one tenant by `tenant_id = value` in a
condition that always holds, and the value must be the one the transaction is bound to. Statements are
read once per compiled form, which SQLAlchemy caches; afterwards a check is one look-up and a
comparison. Raw SQL (`exec_driver_sql`) is not seen: it lives in the `sets_*` and `ledger_*` modules,
names `tenant_id` in every statement and is tested line by line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ClauseElement, Connection, Engine, TextClause, event
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.sql.compiler import SQLCompiler

from courierx_core.errors import CourierXError
from courierx_core.suppression.model import PLATFORM_WIDE
from courierx_sql.scopes import Findings, read
from courierx_sql.tables import OWNED

TENANT = "courierx_tenant"
"""Execution option of a connection: the tenant its transaction is bound to, or PLATFORM."""
PLATFORM = "platform"
ABOVE_TENANTS = {"courierx_above_tenants": True}
"""Execution option of a statement that reads across tenants; obeyed in a platform unit only."""

_OWNED_NAME = re.compile(rf"\b({'|'.join(sorted(OWNED))})\b")
_INSERTED = re.compile(r"tenant_id(_m\d+)?")


class Unscoped(CourierXError):
    """A statement would have crossed tenants. A defect of the program, never of its input."""

    code = "unscoped"


def watch(engine: Engine) -> None:
    """Check every statement that `engine` runs."""
    seen: WeakKeyDictionary[Any, Findings] = WeakKeyDictionary()

    @event.listens_for(engine, "before_cursor_execute")
    def _check(
        connection: Connection, cursor: Any, sql: str, parameters: Any, context: ExecutionContext, many: bool
    ) -> None:
        compiled = context.compiled
        if not isinstance(compiled, SQLCompiler) or compiled.statement is None:
            return
        options = context.execution_options
        bound = options.get(TENANT)
        if bound == PLATFORM and options.get("courierx_above_tenants"):
            return
        findings = seen.get(compiled)
        if findings is None:
            findings = seen[compiled] = _findings(compiled.statement)
        if not findings.touched:
            return
        if findings.missing:
            raise Unscoped(
                f"A statement touches {', '.join(sorted(findings.missing))} without a tenant_id condition; "
                f"build it with the unit's accessor: {sql.split(chr(10))[0][:200]}"
            )
        if bound is None:
            raise Unscoped(
                f"No tenant is bound, yet a statement touches {', '.join(sorted(findings.touched))}."
            )
        names = [compiled.bind_names[bind] for bind in findings.values if bind in compiled.bind_names]
        for row in getattr(context, "compiled_parameters", ()):
            _compare(bound, row, names, findings)


def _findings(statement: ClauseElement) -> Findings:
    if isinstance(statement, TextClause):
        owned = frozenset(_OWNED_NAME.findall(statement.text))
        return Findings(touched=owned, missing=frozenset() if "tenant_id" in statement.text else owned)
    return read(statement)


def _compare(bound: int | str, row: Mapping[str, Any], names: list[str], findings: Findings) -> None:
    given = [value for name in names for value in _values(row, name)]
    if findings.inserts:
        inserted = [value for name, value in row.items() if _INSERTED.fullmatch(name)]
        if not inserted and not findings.inserts_rows_of_select:
            raise Unscoped("An INSERT into a tenant's table gives no tenant_id; use the unit's accessor.")
        given += inserted
    for value in given if bound != PLATFORM else ():
        if value != bound:
            raise Unscoped(f"A statement names tenant {value} in a transaction of tenant {bound}.")


def _values(row: Mapping[str, Any], name: str) -> Sequence[Any]:
    """Return what a bind carries; that of an IN is spread, and may name the platform beside the tenant."""
    if name in row:
        return (row[name],)
    spread = re.compile(rf"{re.escape(name)}_\d+")
    values = [value for key, value in row.items() if spread.fullmatch(key)]
    return [value for value in values if value != PLATFORM_WIDE] or values
