"""Take the tenant's predicate off one table at a time: the probes notice every time (T06)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Table, true

from courierx_sql import guard
from courierx_sql.accessor import Accessor
from courierx_sql.scopes import Findings
from courierx_sql.tables import OWNED
from tests.app.tenants.peeks import peeks
from tests.app.tenants.probes import leaks
from tests.app.tenants.world import World

ELSEWHERE = {
    "attempts": "only an erasure changes it, by the ids of deliveries that are the tenant's",
    "turns": "only the ledger reads it, above tenants",
}
"""Tables whose predicate shows nothing by its absence, and why."""


def careless(name: str) -> Callable[[Accessor, Table], ColumnElement[bool]]:
    """Return an accessor's predicate that forgets the tenant of one table."""
    owns = Accessor.owns

    def forgetful(self: Accessor, table: Table) -> ColumnElement[bool]:
        return true() if table.name == name else owns(self, table)

    return forgetful


def test_the_probes_find_nothing_while_every_predicate_is_there(
    world_on: Callable[[str], World], environ: dict[str, str]
) -> None:
    assert list(peeks(world_on(environ["DATABASE_URL"]))) == []
    assert ELSEWHERE.keys() <= OWNED


@pytest.mark.parametrize("name", sorted(OWNED - ELSEWHERE.keys()))
def test_a_table_without_its_predicate_leaks(
    name: str, world_on: Callable[[str], World], environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite is the store without a second fence: on PostgreSQL row-level security holds even then."""

    def blind(statement: Any) -> Findings:
        return Findings()

    world = world_on(environ["DATABASE_URL"])
    monkeypatch.setattr(guard, "_findings", blind)
    monkeypatch.setattr(Accessor, "owns", careless(name))
    assert next(chain(peeks(world), leaks(world)), None) is not None
