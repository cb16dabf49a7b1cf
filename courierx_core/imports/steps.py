"""A file taken in as sets of rows, a transaction each: by whoever holds the file, or by a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import BinaryIO

import msgspec

from courierx_core.audience.csvfile import SubscriberFile
from courierx_core.audience.model import NewSubscriber
from courierx_core.courier import Courier
from courierx_core.imports.csvtable import Place
from courierx_core.imports.model import BadLine, Counts, Options
from courierx_core.ports.store import UnitOfWork

STEP_ROWS = 10_000
"""Rows that go in as one set, in one transaction."""
ERRORS_KEPT = 1_000
"""Bad lines a report lists; the rest are only counted."""


class Step(msgspec.Struct, frozen=True):
    """Rows to take in, the bad lines among them, and where the next begin."""

    rows: list[NewSubscriber]
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
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Import subscribers from CSV in flat memory, here and now; see `SubscriberFile` for the form.

    Nobody who unsubscribed or is suppressed is brought back. `progress` hears the rows read so far. What is
    in when it raises stays in. Raises InvalidInput for what is no CSV, NotFound for the list.
    """
    options = options or Options()
    counts, kept = Counts(), list[BadLine]()
    file = SubscriberFile(stream, options.mapping)
    try:
        for step in steps(file):
            with courier.store.begin(tenant_id) as unit:
                counts = counts.plus(take(unit, step, options))
            kept += step.bad[: ERRORS_KEPT - len(kept)]
            if progress is not None:
                progress(counts.rows)
    finally:
        file.close()
    return ImportReport(**msgspec.structs.asdict(counts), errors=tuple(kept))


def steps(file: SubscriberFile) -> Iterator[Step]:
    """Read a file to its end, STEP_ROWS at a time."""
    rows = iter(file)
    while read := list(islice(rows, STEP_ROWS)):
        good = [row for row in read if isinstance(row, NewSubscriber)]
        bad = [row for row in read if isinstance(row, BadLine)]
        yield Step(good, bad, file.place)


def take(unit: UnitOfWork, step: Step, options: Options) -> Counts:
    """Take a step's rows in. Raises NotFound for the list."""
    first: dict[str, NewSubscriber] = {}
    for row in step.rows:
        first.setdefault(row.email, row)
    counts, bad = Counts(skipped=len(step.rows) - len(first)), Counts(bad=len(step.bad))
    if first:
        done = unit.subscribers.import_rows(
            list(first.values()), update=options.update, list_id=options.list_id
        )
        counts = counts.plus(Counts(**msgspec.structs.asdict(done)))
    return counts.plus(bad)
