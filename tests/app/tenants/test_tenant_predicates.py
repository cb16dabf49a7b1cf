"""Take the tenant's predicate off one table at a time: the probes notice every time (T06)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Table, true

from courierx_sql import guard
from courierx_sql.accessor import Accessor
from courierx_sql.scopes import Findings
from tests.app.tenants.probes import leaks
from tests.app.tenants.world import World

SHOWN = (
    "subscribers", "lists", "suppressions", "templates", "campaigns", "messages", "deliveries", "events",
    "api_keys",
)  # fmt: skip
"""Tables that a route reads through the accessor. SQLite is the store without a second fence: on PostgreSQL
row-level security holds even then."""


@pytest.mark.parametrize("name", SHOWN)
def test_a_table_without_its_predicate_leaks(
    name: str, world_on: Callable[[str], World], environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    owns = Accessor.owns

    def careless(self: Accessor, table: Table) -> ColumnElement[bool]:
        return true() if table.name == name else owns(self, table)

    def blind(statement: Any) -> Findings:
        return Findings()

    world = world_on(environ["DATABASE_URL"])
    monkeypatch.setattr(guard, "_findings", blind)
    monkeypatch.setattr(Accessor, "owns", careless)
    assert next(leaks(world), None) is not None
