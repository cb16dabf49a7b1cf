"""Whatever operation changes something, its key, route and tenant are in the audit log (S20)."""

from __future__ import annotations

from typing import Any

from courierx_core.scopes import PLATFORM
from tests.app.tenants.document import Operation, sample
from tests.app.tenants.world import World

BOOKS = {"audit", "idempotency_keys", "work", "turns", "api_keys"}
"""Tables that are written without anybody's change: what was used, and what waits."""


def asked(world: World, op: Operation) -> Any:
    ours = world.ids[world.ours]
    path = {slot.name: ours.get(slot.kind, 1) for slot in op.slots() if slot.where == "path"}
    body = sample(op, ours, "other") if op.body_schema() else {}
    return world.ask(op, key=world.keys[world.ours], path=path, body=body)


def _last_to_go(op: Operation) -> tuple[bool, str]:
    return op.method == "DELETE", op.path


def test_every_change_is_noted_and_no_note_is_lost(world: World) -> None:
    changed = 0
    before = world.rows(world.ours)
    for op in sorted(world.operations, key=_last_to_go):
        if op.scope == PLATFORM or op.path == "/send/send-test":
            continue
        answer = asked(world, op)
        after = world.rows(world.ours)
        tables = [name for name in after if name not in BOOKS and after[name] != before[name]]
        notes = [each for each in after["audit"] if each not in before["audit"]]
        if op.method == "GET":
            assert (tables, notes) == ([], []), str(op)
        elif tables:
            assert answer.status_code < 300, (str(op), answer.text)
            assert len(notes) == 1, (str(op), tables)
            assert f"'{op}'" in notes[0]
            changed += 1
        assert set(before["audit"]) <= set(after["audit"]), str(op)
        before = after
    assert changed >= 30
