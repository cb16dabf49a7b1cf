"""Suppressions: addresses that get no mail, whatever a campaign or a plugin says."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias

import msgspec

from courierx_core.checking import Checks
from courierx_core.errors import InvalidInput, NotFound
from courierx_core.mail.address import normalise

if TYPE_CHECKING:
    from courierx_core.ports.store import Store, UnitOfWork

Cause: TypeAlias = Literal["hard_bounce", "complaint", "unsubscribe", "manual", "invalid"]

PLATFORM_WIDE = 0
"""The tenant id of suppressions that hold for every tenant."""

REASON_MAX = 255
_BATCH = 1000


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """`address` is normalised, and `@domain` is everybody there (`listed_as`); `reason` is any text to 255
    characters. An unsubscribe does not stop transactional mail; every other cause does."""

    id: int = 0
    tenant_id: int
    address: str
    reason: str = ""
    cause: Cause = "manual"
    created_at: datetime | None = None
    expires_at: datetime | None = None


def listed_as(text: str, field: str = "email") -> str:
    """Return the one form of what is suppressed: `ann@x.example`, or `@x.example` for everybody at a domain
    but not below it, which may be written `*@x.example`. Raises InvalidInput about `field`."""
    text = text.strip().removeprefix("*") if text.strip().startswith("*@") else text.strip()
    return normalise(f"x{text}", field)[1:] if text.startswith("@") else normalise(text, field)


def domain_of(address: str) -> str:
    """Return what suppresses everybody at an address's domain; the local part holds no @."""
    return address[address.index("@") :]


def cause_of(reason: str) -> Cause:
    """Derive the cause from a caller's free text."""
    words = reason.casefold()
    if "complain" in words or "spam" in words or "abuse" in words:
        return "complaint"
    if "unsub" in words or "opt-out" in words or "opt out" in words:
        return "unsubscribe"
    if "bounce" in words:
        return "hard_bounce"
    if "invalid" in words:
        return "invalid"
    return "manual"


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
