"""A file that is being taken in: what it is for, how far it is, and the lines that were not taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

ImportKind: TypeAlias = Literal["subscribers", "suppression"]
ImportState: TypeAlias = Literal["receiving", "waiting", "working", "done", "failed", "cancelled"]
OPEN: tuple[ImportState, ...] = ("receiving", "waiting", "working")


class BadLine(msgspec.Struct, frozen=True):
    """A row that was not taken: the line of the file it begins on, its address as given, why."""

    line: int
    email: str
    reason: str


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with the rows."""

    update: bool = False
    """Merge names and attributes into people who are known; else they are skipped."""
    list_id: int | None = None
    """Also put everyone on this list."""
    mapping: Mapping[str, str] = {}
    """What a header means: {"Their header": "email" | "first_name" | "last_name" | attribute}."""
    reason: str = ""
    """Why, for suppressions whose line gives no reason."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the data rows read: every one is imported, updated, skipped (known, or twice) or bad."""

    imported: int = 0
    updated: int = 0
    skipped: int = 0
    bad: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(
            imported=self.imported + other.imported,
            updated=self.updated + other.updated,
            skipped=self.skipped + other.skipped,
            bad=self.bad + other.bad,
        )

    @property
    def rows(self) -> int:
        return self.imported + self.updated + self.skipped + self.bad


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a worker takes in, step by step.

    `offset` and `line` are where its next row begins, and change with `counts` in the transaction that
    brings the rows in: whoever goes on after a crash repeats none and loses none. `size` is in bytes.
    """

    id: int = 0
    tenant_id: int
    kind: ImportKind = "subscribers"
    file_name: str = ""
    """As its sender calls it."""
    file_id: int = 0
    """Of the table, which is CSV."""
    workbook_id: int | None = None
    """Of the workbook whose first sheet has yet to become the table."""
    options: Options = Options()
    state: ImportState = "receiving"
    size: int = 0
    offset: int = 0
    line: int = 1
    counts: Counts = Counts()
    error: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    finished_at: datetime | None = None
