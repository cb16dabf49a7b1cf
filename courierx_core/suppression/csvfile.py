"""Suppressions in a CSV file, or as addresses one a line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, get_args

import msgspec

from courierx_core.audience.csvfile import ALIASES, identifier
from courierx_core.errors import InvalidInput
from courierx_core.imports.csvtable import CsvTable, Place, Row
from courierx_core.imports.model import BadLine
from courierx_core.suppression.model import REASON_MAX, Cause, Suppression, cause_of, listed_as


class SuppressionFile:
    """Reads addresses, and domains as `*@x.example`, in flat memory; see `CsvTable` for `place`.

    The address is in the column that is called so, else in the first; a first line with an @ there names no
    columns. `reason`, `cause` and `expires_at` are read where there are such columns; `reason` stands for one
    that is not given, and the cause is derived from it. Raises InvalidInput when it is no CSV.
    """

    def __init__(
        self, stream: BinaryIO, tenant_id: int, reason: str = "", place: Place | None = None
    ) -> None:
        self._table = CsvTable(stream, place)
        self._tenant_id, self._reason = tenant_id, _reason(reason)
        names = [ALIASES.get(identifier(name), identifier(name)) for name in self._table.header]
        self._columns = {name: at for at, name in reversed([*enumerate(names)])}
        self._at = self._columns.get("email", 0)
        self._bare = "@" in self._table.header[self._at]
        self._begins = self._bare and (place is None or not place.offset)

    def __iter__(self) -> Iterator[Suppression | BadLine]:
        if self._begins:
            yield self._read(Row(1, self._table.header))
        for row in self._table:
            yield BadLine(row.line, "", row.fault) if row.fault else self._read(row)

    @property
    def place(self) -> Place:
        return self._table.place

    def close(self) -> None:
        """Let go of the stream, which is the caller's to close."""
        self._table.close()

    def _read(self, row: Row) -> Suppression | BadLine:
        text = self._cell(row, "email").encode("utf-8", "replace").decode()
        reason = self._cell(row, "reason") or self._reason
        try:
            return Suppression(
                tenant_id=self._tenant_id,
                address=listed_as(text),
                reason=_reason(reason),
                cause=_cause(self._cell(row, "cause"), reason),
                expires_at=_time(self._cell(row, "expires_at")),
            )
        except InvalidInput as error:
            return BadLine(row.line, text[:254], error.problems[0].message)

    def _cell(self, row: Row, name: str) -> str:
        at = self._at if name == "email" else None if self._bare else self._columns.get(name)
        return row.cells[at].strip() if at is not None and at < len(row.cells) else ""


def _reason(text: str) -> str:
    if len(text) > REASON_MAX or not text.isprintable():
        raise InvalidInput.of("reason", "invalid", f"the reason takes {REASON_MAX} characters of text")
    return text


def _cause(text: str, reason: str) -> Cause:
    if not text:
        return cause_of(reason)
    try:
        cause: Cause = msgspec.convert(text, Cause)
    except msgspec.ValidationError:
        known = ", ".join(get_args(Cause))
        raise InvalidInput.of("cause", "invalid", f"the cause is one of {known}") from None
    return cause


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidInput.of(
            "expires_at", "invalid", "the end takes a time with its offset, such as 2026-01-31T12:00:00Z"
        )
    return at
