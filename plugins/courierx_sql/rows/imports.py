"""Imports, their files in pieces, and the lines that were not taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from courierx_core.errors import Conflict, NotFound
from courierx_core.imports.model import OPEN, BadLine, Counts, Import, ImportState, Options
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.rows.slice import Slice, check_limit
from courierx_sql.tables import files, import_errors, imports


class ImportRows(Slice[Import]):
    table = imports
    struct = Import
    noun = "import"

    def add(self, import_: Import) -> Import:
        added = self._insert(import_)
        if added is None:
            raise Conflict("An import with this id exists.")
        return added

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Import]:
        return self._page(before, limit)

    def save(self, import_: Import, *, was: ImportState) -> Import:
        values = self._values(import_)
        if import_.state not in OPEN:
            values["finished_at"] = now()
        saved = self._update(import_.id, values, imports.c.state == was)
        if saved is None:
            raise Conflict(f"Import {import_.id} is {self.get(import_.id).state} now; read it again.")
        return saved

    def note_errors(self, import_id: int, errors: Sequence[BadLine]) -> None:
        if errors:
            rows = [{"import_id": import_id, **msgspec.structs.asdict(each)} for each in errors]
            self._tenant.execute(self._tenant.insert(import_errors).on_conflict_do_nothing(), rows)

    def errors(self, import_id: int, *, after: int = 0, limit: int = 1000) -> Sequence[BadLine]:
        check_limit(limit)
        columns = import_errors.c
        statement = self._tenant.select(import_errors, columns.line, columns.email, columns.reason).where(
            columns.import_id == import_id, columns.line > after
        )
        rows = self._tenant.execute(statement.order_by(columns.line).limit(limit))
        return [BadLine(row.line, row.email, row.reason) for row in rows]

    def _values(self, value: Import) -> dict[str, Any]:
        values = super()._values(value)
        return values | {name: msgspec.to_builtins(values[name]) for name in ("options", "counts")}

    def _read(self, row: RowMapping) -> Import:
        options, counts = msgspec.convert(row["options"], Options), msgspec.convert(row["counts"], Counts)
        return Import(**{**row, "options": options, "counts": counts})


class FileRows:
    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

    def new(self) -> int:
        return self._tenant.reserve(files)

    def put(self, file_id: int, number: int, data: bytes) -> None:
        self._tenant.execute(self._tenant.insert(files).values(id=file_id, number=number, data=data))

    def piece(self, file_id: int, number: int) -> bytes:
        statement = self._tenant.select(files, files.c.data).where(
            files.c.id == file_id, files.c.number == number
        )
        found: bytes | None = self._tenant.execute(statement).scalar_one_or_none()
        if found is None:
            raise NotFound(f"No piece {number} of file {file_id}.")
        return found

    def remove(self, file_id: int) -> None:
        self._tenant.execute(self._tenant.delete(files).where(files.c.id == file_id))
