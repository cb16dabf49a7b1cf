"""Use cases of suppressions: add, lift, import."""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec

from courierx_core.checking import Checks
from courierx_core.errors import InvalidInput, NotFound
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.suppression.model import REASON_MAX, Suppression, cause_of, listed_as

_BATCH = 1000


class LineProblem(msgspec.Struct, frozen=True):
    """A line of an import that is not an address; lines count from 1."""

    line: int
    reason: str


class SuppressReport(msgspec.Struct, frozen=True):
    """What an import of suppressions did; the three add up to the addresses read."""

    added: int
    known: int
    errors: tuple[LineProblem, ...]


def suppress(unit: UnitOfWork, address: str, reason: str = "") -> Suppression:
    """Suppress an address, or a whole domain (`listed_as`). Raises InvalidInput with every bad field,
    Conflict when it is already."""
    checks = Checks()
    suppression = Suppression(
        tenant_id=unit.tenant_id,
        address=checks.by("email", address, listed_as),
        reason=checks.text("reason", reason, longest=REASON_MAX, required=False),
        cause=cause_of(reason),
    )
    checks.done()
    return unit.suppressions.add(suppression)


def unsuppress(unit: UnitOfWork, address: str) -> None:
    """Let an address, or a domain, get mail again. Raises InvalidInput, NotFound where it is not listed."""
    found = unit.suppressions.list(address=listed_as(address), limit=1000)
    if not found:
        raise NotFound(f"{address} is not on this tenant's suppression list.")
    for each in found:
        unit.suppressions.remove(each.id)


def import_addresses(
    store: Store[Any], tenant_id: int, stream: BinaryIO, *, reason: str = "imported"
) -> SuppressReport:
    """Suppress a file's addresses and domains (`*@x.example`), one a line or the first column of a CSV, in
    batches of a transaction each. A first line without an @ is taken for a heading. Raises InvalidInput for
    a bad reason."""
    checks = Checks()
    reason = checks.text("reason", reason, longest=REASON_MAX, required=False)
    checks.done()
    added = known = 0
    errors: list[LineProblem] = []
    batch: dict[str, Suppression] = {}

    def flush() -> None:
        nonlocal added, known
        with store.begin(tenant_id) as unit:
            new = unit.suppressions.add_many(list(batch.values()))
        added, known = added + new, known + len(batch) - new
        batch.clear()

    for number, raw in enumerate(stream, 1):
        text = raw.decode("utf-8-sig", "replace").split(",")[0].strip().strip('"')
        if not text or (number == 1 and "@" not in text):
            continue
        try:
            address = listed_as(text)
        except InvalidInput as problem:
            errors.append(LineProblem(number, str(problem)))
            continue
        known += address in batch
        batch[address] = Suppression(
            tenant_id=tenant_id, address=address, reason=reason, cause=cause_of(reason)
        )
        if len(batch) == _BATCH:
            flush()
    if batch:
        flush()
    return SuppressReport(added, known, tuple(errors))
