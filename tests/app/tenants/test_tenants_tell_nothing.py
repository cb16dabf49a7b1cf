"""What is taken, and how long a look takes, tells nothing of another tenant (T08); nothing of one that was
deleted is left (T09). On both stores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, PrimaryKeyConstraint, UniqueConstraint, event, insert, select

from courierx_sql.columns import Utc, metadata
from courierx_sql.tables import OWNED
from tests.app.operations import NOBODYS
from tests.app.tenants.document import RAW, Operation, sample
from tests.app.tenants.probes import request
from tests.app.tenants.world import CANARY, NOON, World

ABOVE = {"POST /tenants"}
"""A tenant's name is one in the installation; only the platform's keys ask for one."""


@pytest.mark.parametrize("name", sorted(OWNED))
def test_what_must_be_unique_is_so_within_a_tenant(name: str) -> None:
    table = metadata.tables[name]
    unique = [set(each.columns.keys()) for each in table.constraints if isinstance(each, UniqueConstraint)]
    unique += [set(index.columns.keys()) for index in table.indexes if index.unique]
    unique += [
        set(each.columns.keys()) for each in table.constraints if isinstance(each, PrimaryKeyConstraint)
    ]
    numbered = {"id"} if name == "api_keys" else set()  # a key is found before its tenant is known
    assert [each for each in unique if "tenant_id" not in each and each != numbered] == []


def test_what_another_has_is_not_taken(world: World) -> None:
    """Every name, address and domain of theirs is ours to use as well."""
    ours, seen = world.ids[world.ours], 0
    for op in world.operations:
        if op.method != "POST" or "{" in op.path or str(op) in ABOVE or not op.body_schema():
            continue
        if op.path == "/send/send-test":  # it waits for a worker, and keeps nothing that has a name
            continue
        body = sample(op, ours, CANARY)
        answer = world.ask(op, key=world.keys[world.ours], path={}, body=body)
        assert answer.status_code not in (409, 500), (str(op), answer.text)
        seen += answer.status_code < 300
    assert seen >= 10


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that run, without their values."""
    ran: list[str] = []

    def note(connection: Connection, cursor: Any, sql: str, *rest: Any) -> None:
        ran.append(sql)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield ran
    finally:
        event.remove(engine, "before_cursor_execute", note)


def paths(world: World) -> Iterator[tuple[Operation, Any]]:
    for op in world.operations:
        for slot in op.slots():
            if slot.where == "path" and slot.kind not in ("email", "tenant") and str(op) not in RAW:
                yield op, slot


def test_a_look_at_anothers_costs_what_a_look_at_nothing_does(world: World) -> None:
    """The same statements, to the letter: nothing is read of theirs before it is refused."""
    theirs, seen = world.ids[world.theirs], 0
    key = world.keys[world.ours]
    for op, slot in paths(world):
        ran, answers = [], []
        for object_id in (theirs[slot.kind], int(NOBODYS)):
            with counted(world.courier.store.engine) as statements:
                answers.append(world.ask(op, key=key, **request(world, op, slot, object_id)))
            ran.append(statements)
        assert ran[0] == ran[1], (str(op), slot.name)
        # PostgreSQL's store reads a key on libpq itself: always one statement, and not seen here
        assert ran[0] or slot.kind == "key", (str(op), slot.name)
        texts = [
            {**answer.json(), "detail": re.sub(rf"\b{object_id}\b", "ID", answer.json()["detail"])}
            | {"request_id": ""}
            for answer, object_id in zip(answers, (theirs[slot.kind], NOBODYS), strict=True)
        ]
        assert texts[0] == texts[1], (str(op), slot.name)
        seen += 1
    assert seen > 40


def test_a_deleted_tenant_leaves_no_row_and_no_file(world: World) -> None:
    with world.courier.store.begin(world.theirs) as unit:
        for each in unit.messages.list():
            unit.deliveries.cancel_open(each.id)
        run = unit._rows.connection.execute  # type: ignore[attr-defined]
        for name in sorted(OWNED - {"work"}):
            table = metadata.tables[name]
            found = run(select(table).where(table.c.tenant_id == world.theirs)).first()
            if found is None:
                run(insert(table).values(**_row(name, world.theirs)))
    full = world.rows(world.theirs)
    assert [name for name, rows in full.items() if not rows] == []
    others = world.rows(world.ours)
    headers = {"Authorization": f"Bearer {world.platform_key}"}
    deleted = world.client.delete(f"/tenants/{world.theirs}", headers=headers)
    assert deleted.status_code == 204, deleted.text
    assert [name for name, rows in world.rows(world.theirs).items() if rows] == []
    assert world.rows(world.ours) == others


def _row(name: str, tenant_id: int) -> dict[str, Any]:
    values: dict[str, Any] = {"tenant_id": tenant_id}
    for column in metadata.tables[name].columns:
        if column.nullable or column.server_default is not None or column.name in values:
            continue
        if isinstance(column.type, Utc):
            values[column.name] = NOON
        elif column.name in ("ids", "counts", "detail"):
            values[column.name] = {}
        else:
            values[column.name] = {bytes: b"x", str: CANARY}.get(column.type.python_type, 1)
    return values
