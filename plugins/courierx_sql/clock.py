"""The database's clock in SQLAlchemy Core: every stored time comes from it, never from the process's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Double, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from courierx_sql.columns import Utc

SQLITE_NOW = "((julianday('now') - 2440587.5) * 86400.0)"
"""Seconds since 1970 to the millisecond; the same within one statement."""


class now(FunctionElement[datetime]):  # noqa: N801 (reads as the SQL function it is)
    """The present, or `seconds` from it (negative: before it)."""

    type = Utc()
    inherit_cache = True

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(literal(float(seconds), Double()))


@compiles(now, "sqlite")
def _sqlite(element: now, compiler: SQLCompiler, **options: Any) -> str:
    return f"({SQLITE_NOW} + {compiler.process(element.clauses, **options)})"


@compiles(now)
def _postgresql(element: now, compiler: SQLCompiler, **options: Any) -> str:
    return f"(now() + make_interval(secs => {compiler.process(element.clauses, **options)}))"
