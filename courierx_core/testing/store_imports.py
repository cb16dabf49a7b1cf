"""Imports and the files they are made from."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from courierx_core.errors import Conflict, InvalidInput, NotFound
from courierx_core.imports.model import BadLine, Counts, Import, Options
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant


class ImportsContract:
    """An import is written as a whole, by whoever knows its state; its file and its errors by piece."""

    def test_an_import_is_kept(self, store: Store[Any]) -> None:
        tenant = add_tenant(store)
        options = Options(update=True, list_id=7, mapping={"Kontakt": "email"})
        with store.begin(tenant) as unit:
            made = unit.imports.add(Import(tenant_id=tenant, file_name="people.csv", options=options))
            second = unit.imports.add(Import(tenant_id=tenant))
        assert made.created_at is not None
        assert made.finished_at is None
        counts = Counts(imported=3, bad=1)
        moved = msgspec.structs.replace(made, state="working", offset=99, line=5, counts=counts)
        with store.begin(tenant) as unit:
            saved = unit.imports.save(moved, was="receiving")
            assert msgspec.structs.replace(saved, updated_at=made.updated_at) == moved
            assert unit.imports.get(made.id) == saved
            assert [each.id for each in unit.imports.list()] == [second.id, made.id]
            assert [each.id for each in unit.imports.list(before=second.id, limit=1)] == [made.id]
            with pytest.raises(Conflict, match="working"):
                unit.imports.save(moved, was="waiting")
            ended = unit.imports.save(msgspec.structs.replace(saved, state="done"), was="working")
            assert ended.finished_at is not None

    def test_a_files_pieces_are_kept_until_it_is_removed(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        with store.begin(tenant) as unit:
            one, two = unit.files.new(), unit.files.new()
            unit.files.put(one, 0, b"\0first")
            unit.files.put(one, 1, b"second")
            unit.files.put(two, 0, b"")
        with store.begin(other) as unit:
            unit.files.remove(one)
            with pytest.raises(NotFound):
                unit.files.piece(one, 0)
        with store.begin(tenant) as unit:
            assert (unit.files.piece(one, 0), unit.files.piece(one, 1)) == (b"\0first", b"second")
            unit.files.remove(one)
            unit.files.remove(one)
            assert unit.files.piece(two, 0) == b""
            for file_id, number in ((one, 0), (two, 1)):
                with pytest.raises(NotFound):
                    unit.files.piece(file_id, number)

    def test_bad_lines_are_listed_by_line(self, store: Store[Any]) -> None:
        tenant, other = add_tenant(store), add_tenant(store, "Other")
        with store.begin(tenant) as unit:
            made = unit.imports.add(Import(tenant_id=tenant))
            unit.imports.note_errors(made.id, [])
            unit.imports.note_errors(made.id, [BadLine(9, "nine", "why"), BadLine(3, "", "is not UTF-8")])
            unit.imports.note_errors(made.id, [BadLine(9, "again", "not this"), BadLine(12, "z", "why")])
            assert [(each.line, each.email) for each in unit.imports.errors(made.id)] == [
                (3, ""),
                (9, "nine"),
                (12, "z"),
            ]
            assert [each.line for each in unit.imports.errors(made.id, after=3, limit=1)] == [9]
            assert unit.imports.errors(made.id + 1) == []
            with pytest.raises(InvalidInput):
                unit.imports.errors(made.id, limit=1001)
        with store.begin(other) as unit:
            assert unit.imports.errors(made.id) == []
            with pytest.raises(NotFound):
                unit.imports.get(made.id)
