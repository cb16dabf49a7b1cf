"""Sender domains: what a tenant sends from, the keys that sign for it, and what the DNS said last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec

from courierx_core.mail.dkim_key import Algorithm
from courierx_core.ports.transport import RecordType

DomainStatus: TypeAlias = Literal["pending", "verified", "failing"]
"""pending: never verified; verified: its mail is signed, or an operator vouched for it; failing: it was
verified, and its key is gone."""
RecordKind: TypeAlias = Literal["dkim", "spf", "return_path", "dmarc", "transport"]

MISSES = 3
"""Checks in a row that must deny a published key before nothing is signed with it: a name server that
loses its zone for an hour costs no signature."""
KEPT_AFTER_ROTATION = timedelta(days=7)
"""How long the record of a key that no longer signs is still to be published: deferred mail carries its
signature for 72 hours, and mailboxes check late."""


class DkimKey(msgspec.Struct, frozen=True, kw_only=True):
    """The public half of a key. The keys of one `generation` are made together; the newest generation
    whose RSA key the DNS has is the one that signs."""

    selector: str
    algorithm: Algorithm
    public: str
    """What the record holds as `p=`."""
    generation: int = 1
    published: bool = False
    misses: int = 0
    """Checks in a row that found it gone."""
    retired_at: datetime | None = None


class DnsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be published under a name, and what was found there."""

    kind: RecordKind
    type: RecordType
    name: str
    expected: str
    required: bool
    """Without it the domain is not verified; the others make delivery better."""
    found: tuple[str, ...] = ()
    ok: bool | None = None
    """None: no name server has answered yet. An outage leaves it, and what was found, as it was."""
    why: str = ""
    """What is wrong with it."""


class SenderDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain of a tenant's. `secret` holds the private keys, encrypted."""

    id: int = 0
    tenant_id: int
    domain: str
    status: DomainStatus = "pending"
    verified_by: Literal["", "dns", "operator"] = ""
    verified_at: datetime | None = None
    checked_at: datetime | None = None
    keys: tuple[DkimKey, ...] = ()
    secret: bytes = b""
    records: tuple[DnsRecord, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def return_path(self) -> str:
        """The domain's own return path, where it was found to lead to this install; else ''."""
        found = [each.name for each in self.records if each.kind == "return_path" and each.ok]
        return found[0] if found else ""


def signing(keys: Sequence[DkimKey]) -> tuple[DkimKey, ...]:
    """Return the keys that sign: those of the newest generation whose RSA key is published (Ed25519 never
    signs alone: many receivers do not know it)."""
    ready = [key.generation for key in keys if key.algorithm == "rsa" and key.published]
    return tuple(key for key in keys if key.published and key.generation == max(ready, default=0))


def verified_now(domain: SenderDomain, by: Literal["dns", "operator"], now: datetime) -> SenderDomain:
    """Note who found it good, and when that began."""
    since = domain.verified_at if domain.status == "verified" and domain.verified_by == by else now
    return msgspec.structs.replace(domain, status="verified", verified_by=by, verified_at=since)


def judged(domain: SenderDomain, records: Sequence[DnsRecord], now: datetime) -> SenderDomain:
    """Return the domain after a look at the DNS. What no server answered changes nothing but its `why`."""
    answers = {record.name: record.ok for record in records if record.kind == "dkim"}
    before = {(record.name, record.expected): record for record in domain.records}
    keys = [_looked_up(key, answers.get(f"{key.selector}._domainkey.{domain.domain}")) for key in domain.keys]
    active = max((key.generation for key in signing(keys)), default=0)
    kept = [_retired(key, now) if key.generation < active else key for key in keys]
    seen = msgspec.structs.replace(
        domain,
        checked_at=now,
        keys=tuple(key for key in kept if not _is_over(key, now)),
        records=tuple(_or_last(record, before.get((record.name, record.expected))) for record in records),
    )
    if active:
        return verified_now(seen, "dns", now)
    if seen.status == "verified" and seen.verified_by == "dns":
        return msgspec.structs.replace(seen, status="failing")
    return seen


def _or_last(record: DnsRecord, last: DnsRecord | None) -> DnsRecord:
    if record.ok is not None or last is None:
        return record
    return msgspec.structs.replace(record, found=last.found, ok=last.ok)


def _looked_up(key: DkimKey, ok: bool | None) -> DkimKey:
    if ok is None:
        return key
    misses = 0 if ok else key.misses + 1
    return msgspec.structs.replace(key, misses=misses, published=ok or (key.published and misses < MISSES))


def _retired(key: DkimKey, now: datetime) -> DkimKey:
    return key if key.retired_at else msgspec.structs.replace(key, retired_at=now)


def _is_over(key: DkimKey, now: datetime) -> bool:
    return key.retired_at is not None and key.retired_at + KEPT_AFTER_ROTATION <= now
