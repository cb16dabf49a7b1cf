"""Use cases of sender domains: add, look up, rotate the keys of, vouch for, remove."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from courierx_core.courier import Courier
from courierx_core.domains.keys import NewKeys, new_keys, opened, sealed, signing_key
from courierx_core.domains.model import DnsRecord, SenderDomain, judged, verified_now
from courierx_core.domains.records import Publishing, look_up, of_transport, wanted
from courierx_core.errors import Conflict, FieldProblem, InvalidInput, NotFound
from courierx_core.mail.address import normalise
from courierx_core.ports.store import UnitOfWork
from courierx_core.ports.transport import RecordWanted, TransportDown
from courierx_core.tenants import service as tenants
from courierx_core.work import WorkItem

log = logging.getLogger("courierx.domains")

SANDBOX = "sandbox.invalid"
"""Mail from it never leaves the machine (MAIL: sandbox addresses)."""
UNVERIFIED_SECONDS = (60.0, 300.0, 900.0, 3600.0)
"""How long after each check the next one is, while a record is missing; then the last, again and again."""
PATIENT_SECONDS = 6 * 3600.0
"""The same, for a domain that nobody has published anything for in a week."""
VERIFIED_SECONDS = 24 * 3600.0


def add(courier: Courier, unit: UnitOfWork, name: str, new: NewKeys) -> SenderDomain:
    """Add a domain with new keys. Raises InvalidInput, Conflict where the tenant has it."""
    secret = sealed(courier.secrets, new.private)
    added = unit.domains.add(
        SenderDomain(tenant_id=unit.tenant_id, domain=read_name(name), keys=new.public, secret=secret)
    )
    _check_now(unit, added.id)
    return added


def ensure(courier: Courier, tenant_id: int, name: str) -> SenderDomain:
    """Return the tenant's domain of that name, added now if there is none."""
    with courier.store.begin(tenant_id, write=False) as unit:
        tenants.require(unit)
        if found := unit.domains.named(read_name(name)):
            return found
    new = new_keys()
    with courier.store.begin(tenant_id) as unit:
        return unit.domains.named(read_name(name)) or add(courier, unit, name, new)


def records(courier: Courier, domain: SenderDomain) -> Sequence[DnsRecord]:
    """Return what is to be published, with what was found by the last look where that asked the same."""
    seen = {(each.name, each.expected): each for each in domain.records}
    merged = []
    for each in wanted(domain, publishing(courier)):
        if last := seen.get((each.name, each.expected)):
            each = msgspec.structs.replace(each, found=last.found, ok=last.ok, why=last.why)
        merged.append(each)
    return [*merged, *_theirs(domain)]


def verify(courier: Courier, tenant_id: int, domain_id: int) -> SenderDomain:
    """Look the records up now, and keep what was found. It takes as long as the DNS does; no transaction
    is open meanwhile. Raises NotFound, Conflict without a resolver."""
    with courier.store.begin(tenant_id, write=False) as unit:
        asked = unit.domains.get(domain_id)
    if courier.resolver is None:
        raise Conflict("Nothing here looks up names: install 'courierx[dns]' and set COURIERX_RESOLVER=dns.")
    found = look_up(courier.resolver, [*wanted(asked, publishing(courier)), *_asked_for(courier, asked)])
    with courier.store.begin(tenant_id) as unit:
        return unit.domains.save(judged(unit.domains.lock(domain_id), found, courier.runtime.now()))


def check(courier: Courier, item: WorkItem) -> None:
    """Task of topic domain_check: look the domain up, soon again while it is not verified, daily after."""
    if courier.resolver is None:
        _again(courier, item, VERIFIED_SECONDS, "no resolver is configured")
        return
    try:
        domain = verify(courier, item.tenant_id, item.subject_id)
    except NotFound:
        with courier.store.begin(item.tenant_id) as unit:
            unit.work.advance(item, cursor=item.cursor, done=True)
        return
    _again(courier, item, _delay(domain, item.cursor), "")


def rotate(courier: Courier, unit: UnitOfWork, domain_id: int, new: NewKeys) -> SenderDomain:
    """Take the next keys. They sign once their record is found; until then the present ones do, and their
    records stay published for a week after. Raises Conflict while earlier new ones wait."""
    domain = unit.domains.lock(domain_id)
    newest = max(key.generation for key in domain.keys)
    for key in domain.keys:
        if key.generation == newest and key.algorithm == "rsa" and not key.published:
            raise Conflict(
                f"The key {key.selector} of {domain.domain} is not published yet: publish it first."
            )
    keys = tuple(msgspec.structs.replace(key, generation=newest + 1) for key in new.public)
    secret = sealed(courier.secrets, {**opened(courier.secrets, domain), **new.private})
    unit.work.end(domain_id, topics=("domain_check",))
    _check_now(unit, domain_id)
    return unit.domains.save(msgspec.structs.replace(domain, keys=(*domain.keys, *keys), secret=secret))


def vouch(courier: Courier, unit: UnitOfWork, domain_id: int) -> SenderDomain:
    """Take an operator's word that the domain may be sent from, and keep that it was one."""
    domain = unit.domains.lock(domain_id)
    return unit.domains.save(verified_now(domain, "operator", courier.runtime.now()))


def remove(unit: UnitOfWork, domain_id: int) -> None:
    """Delete a domain and its keys: mail from it goes out unsigned, or not at all where the tenant
    requires a verified one."""
    unit.domains.remove(domain_id)
    unit.work.end(domain_id, topics=("domain_check",))


def domain_of(unit: UnitOfWork, where: str) -> SenderDomain | None:
    """Return the tenant's sender domain for the domain of a From address: that, else the nearest above."""
    labels = where.split(".")
    names = [".".join(labels[depth:]) for depth in range(len(labels) - 1)]
    found = unit.domains.among(names) if names else ()
    return max(found, key=lambda domain: len(domain.domain), default=None)


def unverified(unit: UnitOfWork, where: str, domain: SenderDomain | None) -> Iterator[FieldProblem]:
    """Give a problem for the domain of a From address that is not verified, where the tenant requires it."""
    if where == SANDBOX or not unit.tenant.requires_verified_domain:
        return
    if domain is None:
        yield FieldProblem("from_email", "unverified", f"{where} is no sender domain of this tenant; add it")
    elif domain.status != "verified":
        why = f"the sender domain {domain.domain} is {domain.status}: publish its records, then verify it"
        yield FieldProblem("from_email", "unverified", why)


def publishing(courier: Courier) -> Publishing:
    return Publishing(courier.policy.return_path, courier.policy.spf)


def read_name(name: str) -> str:
    """Bring a domain to its one form. Raises InvalidInput."""
    try:
        found = normalise(f"x@{name.strip().rstrip('.')}").rpartition("@")[2]
    except InvalidInput:
        found = ""
    if "@" in name or "." not in found:
        raise InvalidInput.of(
            "domain", "invalid", f"{name!r:.80} is no domain; it takes one such as example.com"
        )
    return found


def _asked_for(courier: Courier, domain: SenderDomain) -> Sequence[DnsRecord]:
    """Ask the transports for what they want; where one cannot be asked, what was wanted stays."""
    found: dict[RecordWanted, DnsRecord] = {}
    key = partial(signing_key, courier.secrets, domain)
    for transport in courier.transports.values():
        try:
            found |= {each: of_transport(each) for each in transport.records(domain.domain, key)}
        except TransportDown as down:
            log.warning("transport %s and the domain %s: %s", transport.name, domain.domain, down.why)
            return _theirs(domain)
    return list(found.values())


def _theirs(domain: SenderDomain) -> list[DnsRecord]:
    return [record for record in domain.records if record.kind == "transport"]


def _check_now(unit: UnitOfWork, domain_id: int) -> None:
    item = WorkItem(tenant_id=unit.tenant_id, stream="broadcast", topic="domain_check", subject_id=domain_id)
    unit.work.add(item)


def _again(courier: Courier, item: WorkItem, seconds: float, error: str) -> None:
    with courier.store.begin(item.tenant_id) as unit:
        unit.work.advance(item, cursor=item.cursor + 1, error=error, delay_seconds=seconds)


def _delay(domain: SenderDomain, checks: int) -> float:
    missing = any(record.required and not record.ok for record in domain.records)
    if not missing:
        return VERIFIED_SECONDS
    if checks >= 7 * 24:
        return PATIENT_SECONDS
    return UNVERIFIED_SECONDS[min(checks, len(UNVERIFIED_SECONDS) - 1)]
