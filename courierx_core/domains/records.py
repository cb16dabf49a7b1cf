"""What a sender domain has to publish, and whether what was found there will do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from courierx_core.domains.model import DnsRecord, SenderDomain
from courierx_core.mail import dkim_key
from courierx_core.mail.header import one_line
from courierx_core.ports.resolver import NoAnswer, Resolver, TimedOut
from courierx_core.ports.transport import RecordWanted

BOUNCES = "bounce"
"""The label of a domain's own return path."""
DMARC = "v=DMARC1; p=none"
ABOVE_MAX = 3
SHOWN_MAX, TEXT_MAX = 10, 1000
POLICIES = ("none", "quarantine", "reject")


class Publishing(msgspec.Struct, frozen=True):
    """What of this install the records lead to."""

    return_path: str = ""
    """COURIERX_RETURN_PATH."""
    spf: str = ""
    """COURIERX_SPF: the mechanisms that cover the hosts mail leaves from."""


def wanted(domain: SenderDomain, publishing: Publishing) -> tuple[DnsRecord, ...]:
    """List the records that a domain should publish, not looked up."""
    name = domain.domain
    newest = max((key.generation for key in domain.keys), default=0)
    records = [
        DnsRecord(
            kind="dkim",
            type="TXT",
            name=f"{key.selector}._domainkey.{name}",
            expected=dkim_key.record(key.algorithm, key.public),
            required=key.algorithm == "rsa" and key.generation == newest,
        )
        for key in domain.keys
    ]
    if publishing.return_path and not _within(publishing.return_path, name):
        bounces = f"{BOUNCES}.{name}"
        records.append(
            DnsRecord(
                kind="return_path",
                type="CNAME",
                name=bounces,
                expected=publishing.return_path,
                required=False,
            )
        )
    elif publishing.spf:
        # Without a return path of ours the envelope's sender is the From address, and SPF is about that.
        where = publishing.return_path or name
        spf = f"v=spf1 {publishing.spf} ~all"
        records.append(DnsRecord(kind="spf", type="TXT", name=where, expected=spf, required=False))
    records.append(DnsRecord(kind="dmarc", type="TXT", name=f"_dmarc.{name}", expected=DMARC, required=False))
    return tuple(records)


def of_transport(record: RecordWanted) -> DnsRecord:
    """Make the record that a transport wants."""
    return DnsRecord(
        kind="transport", type=record.type, name=record.name, expected=record.value, required=False
    )


def look_up(resolver: Resolver[Any], records: Sequence[DnsRecord]) -> tuple[DnsRecord, ...]:
    """Ask for every record at once; takes as long as the slowest, and never raises for an answer."""
    with ThreadPoolExecutor(len(records)) as pool:
        return tuple(pool.map(partial(_looked_up, resolver), records))


def _looked_up(resolver: Resolver[Any], record: DnsRecord) -> DnsRecord:
    looks: dict[str, Callable[[Resolver[Any], DnsRecord], DnsRecord]] = {
        "dkim": _dkim, "spf": _spf, "return_path": _return_path, "dmarc": _dmarc,
        "transport": {"CNAME": _alias, "MX": _exchanger, "TXT": _text}[record.type],
    }  # fmt: skip
    try:
        return looks[record.kind](resolver, record)
    except NoAnswer as denial:
        return _found(record, (), str(denial))
    except TimedOut as outage:
        return msgspec.structs.replace(record, ok=None, why=str(outage))


def _dkim(resolver: Resolver[Any], record: DnsRecord) -> DnsRecord:
    texts = resolver.txt(record.name)
    public = record.expected.rpartition("p=")[2]
    if len(texts) > 1:
        return _found(record, texts, "there are several records at this name; only one may be")
    is_ours = dkim_key.publishes(texts[0], public)
    return _found(record, texts, "" if is_ours else "this is another key, or it is cut")


def _spf(resolver: Resolver[Any], record: DnsRecord) -> DnsRecord:
    texts = _starting(resolver.txt(record.name), "v=spf1")
    if len(texts) != 1:
        return _found(record, texts, "there has to be exactly one v=spf1 record (RFC 7208 section 4.5)")
    terms = texts[0].lower().split()
    missing = [term for term in record.expected.lower().split()[1:-1] if term not in terms]
    return _found(record, texts, f"it lacks {' '.join(missing)}" if missing else "")


def _alias(resolver: Resolver[Any], record: DnsRecord) -> DnsRecord:
    target = resolver.cname(record.name)
    return _found(record, (target,), "" if target == record.expected.lower() else "it leads elsewhere")


def _exchanger(resolver: Resolver[Any], record: DnsRecord) -> DnsRecord:
    found = [f"{rank} {host}" for rank, host in resolver.mx(record.name)]
    wanted = record.expected.lower().split()[-1]
    alone = [each.split()[-1] for each in found] == [wanted]
    return _found(record, found, "" if alone else f"{wanted} has to be its only mail exchanger")


def _text(resolver: Resolver[Any], record: DnsRecord) -> DnsRecord:
    if record.expected.startswith("v=spf1"):
        return _spf(resolver, record)
    texts = resolver.txt(record.name)
    return _found(record, texts, "" if record.expected in texts else "it says something else")


def _return_path(resolver: Resolver[Any], record: DnsRecord) -> DnsRecord:
    try:
        return _alias(resolver, record)
    except NoAnswer:
        # An MX of its own is as good, where it leads to the same hosts.
        hosts = [host for _rank, host in resolver.mx(record.name)]
    ours = {host for _rank, host in resolver.mx(record.expected)}
    return _found(record, hosts, "" if set(hosts) == ours else "its mail exchangers are others")


def _dmarc(resolver: Resolver[Any], record: DnsRecord) -> DnsRecord:
    """Look at the domain and then at those above it: a policy counts for what is below. Only the last few,
    because each may keep us waiting."""
    labels = record.name.split(".")[1:]
    for length in sorted({len(labels), *range(2, min(len(labels), ABOVE_MAX + 2))}, reverse=True):
        try:
            texts = _starting(resolver.txt(".".join(["_dmarc", *labels[-length:]])), "v=dmarc1")
        except NoAnswer:
            continue
        if texts:
            policy = _tags(texts[0]).get("p", "").lower()
            wrong = "" if policy in POLICIES else "its p= is none of none, quarantine, reject"
            return _found(record, texts, wrong if len(texts) == 1 else "there are several DMARC records")
    raise NoAnswer(f"{record.name} has no DMARC record, nor has a domain above it.")


def _found(record: DnsRecord, found: Sequence[str], why: str) -> DnsRecord:
    """Keep what was found, as far as it can be stored and is worth showing: anybody may publish anything."""
    shown = tuple(one_line(text)[:TEXT_MAX] for text in found[:SHOWN_MAX])
    return msgspec.structs.replace(record, found=shown, ok=not why, why=why)


def _starting(texts: Sequence[str], word: str) -> list[str]:
    return [text for text in texts if text.lower().startswith(word)]


def _tags(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(";")]
    return {name.strip().lower(): value.strip() for name, mark, value in pairs if mark}


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")
