"""Segments of a tenant, by unique name."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import RowMapping

from courierx_core.audience.model import Segment
from courierx_core.audience.tree import Node
from courierx_core.errors import Conflict
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import segments


class SegmentRows(Slice[Segment]):
    table = segments
    struct = Segment
    noun = "segment"

    def add(self, segment: Segment) -> Segment:
        added = self._insert(segment)
        if added is None:
            raise Conflict(_taken(segment))
        return added

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Segment]:
        return self._page(before, limit)

    def save(self, segment: Segment) -> Segment:
        with self._unique(_taken(segment)):
            saved = self._update(segment.id, self._values(segment))
        if saved is None:
            raise self._missing(segment.id)
        return saved

    def _read(self, row: RowMapping) -> Segment:
        definition: Node = msgspec.convert(row["definition"], Node)
        return Segment(**{**row, "definition": definition})


def _taken(segment: Segment) -> str:
    return f"A segment named {segment.name!r} exists; choose another name."
