"""Use cases of the audience: one person added, or a million imported as sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import msgspec

from courierx_core.audience.csvfile import BadLine, Row, read_subscribers
from courierx_core.audience.model import ImportCounts, NewSubscriber, Subscriber
from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.ports.store import UnitOfWork

BATCH_ROWS = 10_000
"""Rows that go in as one set, in one transaction."""
ERRORS_KEPT = 1_000
"""Bad lines a report lists; the rest are only counted."""
NAME_MAX = 255
ATTRIBUTES_MAX = 64 * 1024
"""Bytes of a subscriber's attributes as JSON."""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did: every data row is imported, updated, skipped (known, or twice) or bad."""

    imported: int = 0
    updated: int = 0
    skipped: int = 0
    bad: int = 0
    errors: tuple[BadLine, ...] = ()
    """The first ERRORS_KEPT of the bad lines."""


def add_subscriber(unit: UnitOfWork, subscriber: Subscriber) -> Subscriber:
    """Add one person. Raises InvalidInput with every bad field, Conflict when the address is known."""
    return unit.subscribers.add(checked(subscriber))


def checked(subscriber: Subscriber) -> Subscriber:
    """Return it with its address normalised, or raise InvalidInput listing what is wrong."""
    checks = Checks()
    email = checks.address("email", subscriber.email)
    names = {
        field: checks.text(field, getattr(subscriber, field), longest=NAME_MAX, required=False)
        for field in ("first_name", "last_name")
    }
    encoded = msgspec.json.encode(subscriber.attributes)
    if len(encoded) > ATTRIBUTES_MAX:
        checks.add("attributes", "too_long", f"take at most {ATTRIBUTES_MAX} bytes of JSON")
    elif rb"\u0000" in encoded and _holds_nul(subscriber.attributes):
        checks.add("attributes", "invalid", "must not hold a NUL character")
    checks.done()
    return msgspec.structs.replace(subscriber, email=email, **names)


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))


def import_csv(
    courier: Courier,
    tenant_id: int,
    stream: BinaryIO,
    *,
    update: bool = False,
    list_id: int | None = None,
    mapping: Mapping[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Import subscribers from CSV in flat memory, BATCH_ROWS a transaction; see `csvfile` for the form.

    A known address is skipped, or with `update` its names and attributes are merged; nobody who
    unsubscribed or is suppressed is brought back. `progress` hears the rows read so far.
    """
    total, bad, kept = ImportCounts(), 0, list[BadLine]()
    read = 0
    for good, broken in _batches(read_subscribers(stream, mapping)):
        rows, twice = _once_each(good)
        if rows:
            with courier.store.begin(tenant_id) as unit:
                step = unit.subscribers.import_rows(rows, update=update, list_id=list_id)
            total = ImportCounts(
                total.imported + step.imported,
                total.updated + step.updated,
                total.skipped + step.skipped + twice,
            )
        bad += len(broken)
        kept += broken[: ERRORS_KEPT - len(kept)]
        read += len(good) + len(broken)
        if progress is not None:
            progress(read)
    return ImportReport(
        imported=total.imported, updated=total.updated, skipped=total.skipped, bad=bad, errors=tuple(kept)
    )


def _batches(rows: Iterable[Row]) -> Iterator[tuple[list[NewSubscriber], list[BadLine]]]:
    good, broken = list[NewSubscriber](), list[BadLine]()
    for row in rows:
        if isinstance(row, BadLine):
            broken.append(row)
        else:
            good.append(row)
        if len(good) + len(broken) >= BATCH_ROWS:
            yield good, broken
            good, broken = [], []
    if good or broken:
        yield good, broken


def _once_each(rows: list[NewSubscriber]) -> tuple[list[NewSubscriber], int]:
    """Keep the first row of each address; return how many others there were."""
    first: dict[str, NewSubscriber] = {}
    for row in rows:
        first.setdefault(row.email, row)
    return list(first.values()), len(rows) - len(first)
