"""A file taken in as sets of rows, a transaction each: by whoever holds the file, or by a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import islice
from typing import BinaryIO, Protocol

import msgspec

from courierx_core.audience.csvfile import SubscriberFile
from courierx_core.audience.model import NewSubscriber
from courierx_core.courier import Courier
from courierx_core.erasure.marks import erased_among
from courierx_core.imports.csvtable import Place
from courierx_core.imports.model import BadLine, Counts, ImportKind, Options
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.csvfile import SuppressionFile
from courierx_core.suppression.model import Suppression

STEP_ROWS = 10_000
"""Rows that go in as one set, in one transaction."""
ERRORS_KEPT = 1_000
"""Bad lines a report lists; the rest are only counted."""


class File(Protocol):
    """Rows of one kind; `place` is where the next begins."""

    def __iter__(self) -> Iterator[NewSubscriber | Suppression | BadLine]: ...
    @property
    def place(self) -> Place: ...
    def close(self) -> None: ...


class Step(msgspec.Struct, frozen=True):
    """Rows to take in, the bad lines among them, and where the next begin."""

    rows: list[NewSubscriber | Suppression]
    bad: list[BadLine]
    place: Place


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, as `Counts` counts."""

    imported: int = 0
    updated: int = 0
    skipped: int = 0
    bad: int = 0
    errors: tuple[BadLine, ...] = ()
    """The first ERRORS_KEPT of the bad lines."""


def import_csv(
    courier: Courier,
    tenant_id: int,
    stream: BinaryIO,
    options: Options | None = None,
    *,
    kind: ImportKind = "subscribers",
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Import CSV in flat memory, here and now; see `SubscriberFile` and `SuppressionFile` for the form.

    Nobody who unsubscribed or is suppressed is brought back. `progress` hears the rows read so far. What is
    in when it raises stays in. Raises InvalidInput for what is no CSV, NotFound for the list.
    """
    options = options or Options()
    file = opened(kind, stream, tenant_id, options)
    return _taken(courier, file, options, lambda: courier.store.begin(tenant_id), progress)


def import_within(
    courier: Courier, unit: UnitOfWork, stream: BinaryIO, options: Options, *, kind: ImportKind
) -> ImportReport:
    """Import CSV as `import_csv` does, as a part of one transaction: all of it or nothing."""
    file = opened(kind, stream, unit.tenant_id, options)
    return _taken(courier, file, options, lambda: nullcontext(unit))


def _taken(
    courier: Courier,
    file: File,
    options: Options,
    begin: Callable[[], AbstractContextManager[UnitOfWork]],
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    counts, kept = Counts(), list[BadLine]()
    with closing(file):
        for step in steps(file):
            with begin() as unit:
                counts = counts.plus(take(courier, unit, step, options))
            kept += step.bad[: ERRORS_KEPT - len(kept)]
            if progress is not None:
                progress(counts.rows)
    return ImportReport(**msgspec.structs.asdict(counts), errors=tuple(kept))


def opened(
    kind: ImportKind, stream: BinaryIO, tenant_id: int, options: Options, place: Place | None = None
) -> File:
    """Read a stream as a kind of rows, from a place of an earlier reading on. Raises InvalidInput."""
    if kind == "subscribers":
        return SubscriberFile(stream, options.mapping, place)
    return SuppressionFile(stream, tenant_id, options.reason, place)


def steps(file: File) -> Iterator[Step]:
    """Read a file to its end, STEP_ROWS at a time."""
    rows = iter(file)
    while read := list(islice(rows, STEP_ROWS)):
        good = [row for row in read if not isinstance(row, BadLine)]
        bad = [row for row in read if isinstance(row, BadLine)]
        yield Step(good, bad, file.place)


def take(courier: Courier, unit: UnitOfWork, step: Step, options: Options) -> Counts:
    """Take a step's rows in; the first of several about one address counts, and none about a person who was
    erased. Raises NotFound for the list."""
    people, suppressed = dict[str, NewSubscriber](), dict[str, Suppression]()
    for row in step.rows:
        if isinstance(row, NewSubscriber):
            people.setdefault(row.email, row)
        else:
            suppressed.setdefault(row.address, row)
    for address in erased_among(courier, unit, people.keys() | suppressed.keys()):
        people.pop(address, None)
        suppressed.pop(address, None)
    rows, bad = len(people) + len(suppressed), len(step.bad)
    counts = Counts(skipped=len(step.rows) - rows, bad=bad)
    if people:
        done = unit.subscribers.import_rows(
            list(people.values()), update=options.update, list_id=options.list_id
        )
        counts = counts.plus(Counts(**msgspec.structs.asdict(done)))
    if suppressed:
        new = unit.suppressions.add_many(list(suppressed.values()))
        counts = counts.plus(Counts(imported=new, skipped=len(suppressed) - new))
    return counts
