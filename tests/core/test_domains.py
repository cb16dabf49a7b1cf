"""Which keys of a sender domain sign, and what a look at the DNS changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.domains.model import (
    KEPT_AFTER_ROTATION,
    MISSES,
    DkimKey,
    DnsRecord,
    SenderDomain,
    judged,
    signing,
)
from courierx_core.domains.records import Publishing, look_up, of_transport, wanted
from courierx_core.domains.service import read_name
from courierx_core.errors import InvalidInput
from courierx_core.mail import dkim_key
from courierx_core.ports.driver import Config, Runtime
from courierx_core.ports.resolver import NoAnswer, Resolver, TimedOut
from courierx_core.ports.transport import RecordType, RecordWanted

NOTHING = Publishing()
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def keys_of(generation: int, **fields: Any) -> tuple[DkimKey, DkimKey]:
    word = f"cx{generation}"
    return (
        DkimKey(selector=f"{word}r", algorithm="rsa", public=f"{word}AAAA", generation=generation, **fields),
        DkimKey(
            selector=f"{word}e", algorithm="ed25519", public=f"{word}EEEE", generation=generation, **fields
        ),
    )


def domain_of(*keys: DkimKey, **fields: Any) -> SenderDomain:
    return SenderDomain(id=1, tenant_id=1, domain="example.com", keys=keys or keys_of(1), **fields)


def seen(domain: SenderDomain, answers: Mapping[str, bool | None]) -> Sequence[DnsRecord]:
    """Give the records with these answers by selector; None for the others."""
    return [
        msgspec.structs.replace(record, ok=answers.get(record.name.partition(".")[0]))
        for record in wanted(domain, Publishing())
    ]


def test_a_domain_is_verified_by_its_rsa_key_and_signs_with_what_is_published() -> None:
    new = domain_of()
    assert judged(new, seen(new, {"cx1r": False, "cx1e": True}), NOON).status == "pending"
    half = judged(new, seen(new, {"cx1r": True, "cx1e": False}), NOON)
    assert (half.status, half.verified_by, half.verified_at, half.checked_at) == (
        "verified",
        "dns",
        NOON,
        NOON,
    )
    assert [key.selector for key in signing(half.keys)] == ["cx1r"]
    later = NOON + timedelta(days=1)
    whole = judged(half, seen(half, {"cx1r": True, "cx1e": True}), later)
    assert [key.selector for key in signing(whole.keys)] == ["cx1r", "cx1e"]
    assert (whole.verified_at, whole.checked_at) == (NOON, later)


def test_new_keys_sign_once_they_are_found_and_old_ones_stay_published_for_a_week() -> None:
    both = domain_of(*keys_of(1, published=True), *keys_of(2), status="verified", verified_by="dns")
    assert {key.generation for key in signing(both.keys)} == {1}
    waiting = judged(both, seen(both, {"cx1r": True, "cx1e": True, "cx2r": False}), NOON)
    assert {key.generation for key in signing(waiting.keys)} == {1}
    moved = judged(waiting, seen(waiting, {"cx1r": True, "cx2r": True, "cx2e": True}), NOON)
    assert [key.selector for key in signing(moved.keys)] == ["cx2r", "cx2e"]
    assert [key.selector for key in moved.keys] == ["cx1r", "cx1e", "cx2r", "cx2e"]
    over = judged(moved, seen(moved, {}), NOON + KEPT_AFTER_ROTATION)
    assert [key.selector for key in over.keys] == ["cx2r", "cx2e"]
    assert over.status == "verified"


def test_a_key_that_is_gone_signs_until_it_is_denied_three_times_in_a_row() -> None:
    domain = judged(domain_of(), seen(domain_of(), {"cx1r": True}), NOON)
    for answer in [False, None, False, True] + [False, None] * (MISSES - 1):
        domain = judged(domain, seen(domain, {"cx1r": answer}), NOON)
        assert domain.status == "verified"
        assert signing(domain.keys)
    domain = judged(domain, seen(domain, {"cx1r": False}), NOON)
    assert (domain.status, signing(domain.keys)) == ("failing", ())
    assert judged(domain, seen(domain, {"cx1r": True}), NOON).status == "verified"


def test_an_operators_word_outlives_a_denial() -> None:
    vouched = domain_of(status="verified", verified_by="operator")
    looked = judged(vouched, seen(vouched, {"cx1r": False}), NOON)
    assert (looked.status, looked.verified_by) == ("verified", "operator")
    assert not signing(looked.keys)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["cx1r", "cx1e", "cx2r", "cx2e"]), st.sampled_from([True, False, None])
        )
    )
)
def test_whatever_the_dns_says(answers: list[dict[str, bool | None]]) -> None:
    """What signs was found by some look, is of one generation, and holds an RSA key."""
    domain = domain_of(*keys_of(1), *keys_of(2))
    found: set[str] = set()
    for number, answer in enumerate(answers):
        domain = judged(domain, seen(domain, answer), NOON + timedelta(hours=number))
        found |= {selector for selector, ok in answer.items() if ok}
        active = signing(domain.keys)
        assert {key.selector for key in active} <= found
        assert len({key.generation for key in active}) <= 1
        assert not active or any(key.algorithm == "rsa" for key in active)
        assert (domain.status == "verified") == bool(active)


class Zone(Resolver[Config]):
    """Answers from dictionaries; a name of `silent` times out."""

    def __init__(self, **records: Mapping[str, Any]) -> None:
        super().__init__("zone", Config(), Runtime())
        self.records = records

    def _of(self, kind: str, name: str) -> Any:
        if name in self.records.get("silent", ()):
            raise TimedOut(f"{name}: no answer")
        try:
            return self.records[kind][name]
        except KeyError:
            raise NoAnswer(f"{name} does not exist.") from None

    def txt(self, name: str) -> Sequence[str]:
        return self._of("TXT", name)

    def mx(self, name: str) -> Sequence[tuple[int, str]]:
        return self._of("MX", name)

    def cname(self, name: str) -> str:
        return self._of("CNAME", name)


def looked(kind: str, publishing: Publishing = NOTHING, **zone: Any) -> DnsRecord:
    found = look_up(Zone(**zone), wanted(domain_of(), publishing))
    return next(record for record in found if record.kind == kind)


@pytest.mark.parametrize(
    ("texts", "ok"),
    [
        (["v=DKIM1; k=rsa; p=cx1AAAA"], True),
        (["k=rsa;p=cx1 AA\tAA ;"], True),
        (["v=DKIM1; p=cx1AAA"], False),
        (["v=DKIM1; p="], False),
        (["v=DKIM2; p=cx1AAAA"], False),
        (["v=DKIM1; p=cx1AAAA", "v=DKIM1; p=BBBB"], False),
    ],
)
def test_dkim_records(texts: list[str], ok: bool) -> None:
    found = looked("dkim", TXT={"cx1r._domainkey.example.com": texts})
    assert (found.ok, found.found) == (ok, tuple(text.replace("\t", " ") for text in texts))
    assert ok or found.why


@pytest.mark.parametrize(
    ("texts", "ok"),
    [
        (["v=spf1 mx include:spf.relay.net ip4:192.0.2.0/24 -all", "other"], True),
        (["V=SPF1 Include:SPF.relay.net ip4:192.0.2.0/24 ?all"], True),
        (["v=spf1 include:spf.relay.net -all"], False),
        (["v=spf1 include:spf.relay.net ip4:192.0.2.0/24 -all"] * 2, False),
        (["other"], False),
    ],
)
def test_spf_records(texts: list[str], ok: bool) -> None:
    publishing = Publishing(spf="include:spf.relay.net ip4:192.0.2.0/24")
    assert looked("spf", publishing, TXT={"example.com": texts}).ok is ok


@pytest.mark.parametrize(
    ("zone", "ok"),
    [
        ({"CNAME": {"bounce.example.com": "back.relay.net"}}, True),
        ({"CNAME": {"bounce.example.com": "elsewhere.net"}}, False),
        (
            {"MX": {"bounce.example.com": [(5, "in.relay.net")], "back.relay.net": [(9, "in.relay.net")]}},
            True,
        ),
        ({"MX": {"bounce.example.com": [(5, "a.net")], "back.relay.net": [(9, "in.relay.net")]}}, False),
        ({}, False),
        ({"silent": ["bounce.example.com"]}, None),
    ],
)
def test_return_paths(zone: Any, ok: bool | None) -> None:
    record = looked("return_path", Publishing(return_path="back.relay.net"), **zone)
    assert record.ok is ok
    domain = msgspec.structs.replace(domain_of(), records=(record,))
    assert domain.return_path == ("bounce.example.com" if ok else "")


@pytest.mark.parametrize(
    ("wants", "zone", "ok"),
    [
        (("CNAME", "to.far.net"), {"CNAME": {"at.example.com": "to.far.net"}}, True),
        (("CNAME", "to.far.net"), {"CNAME": {"at.example.com": "elsewhere.net"}}, False),
        (("MX", "10 in.far.net"), {"MX": {"at.example.com": [(5, "in.far.net")]}}, True),
        (("MX", "10 in.far.net"), {"MX": {"at.example.com": [(5, "in.far.net"), (9, "a.net")]}}, False),
        (("MX", "10 in.far.net"), {}, False),
        (("TXT", "v=spf1 mx ~all"), {"TXT": {"at.example.com": ["v=spf1 include:far.net mx -all"]}}, True),
        (("TXT", "v=spf1 mx ~all"), {"TXT": {"at.example.com": ["v=spf1 a -all"]}}, False),
        (("TXT", "far-verify=1"), {"TXT": {"at.example.com": ["v=spf1 mx -all", "far-verify=1"]}}, True),
        (("TXT", "far-verify=1"), {"TXT": {"at.example.com": ["far-verify=2"]}}, False),
        (("TXT", "far-verify=1"), {"silent": ["at.example.com"]}, None),
    ],
)
def test_records_of_a_transport(wants: tuple[RecordType, str], zone: Any, ok: bool | None) -> None:
    kind, value = wants
    (found,) = look_up(Zone(**zone), [of_transport(RecordWanted(kind, "at.example.com", value))])
    assert (found.ok, bool(found.why)) == (ok, not ok)


def test_a_return_path_inside_the_domain_needs_no_alias() -> None:
    kinds = {record.kind for record in wanted(domain_of(), Publishing(return_path="b.example.com", spf="mx"))}
    assert kinds == {"dkim", "spf", "dmarc"}


@pytest.mark.parametrize(
    ("zone", "ok"),
    [
        ({"_dmarc.example.com": ["v=DMARC1; p=none"]}, True),
        ({"_dmarc.example.com": ["v=DMARC1; p=Reject; rua=mailto:d@example.com"]}, True),
        ({"_dmarc.example.com": ["v=DMARC1; p=sometimes"]}, False),
        ({"_dmarc.example.com": ["v=DMARC1; p=none"] * 2}, False),
        ({"_dmarc.com": ["v=DMARC1; p=none"]}, False),
        ({}, False),
    ],
)
def test_dmarc_records(zone: dict[str, list[str]], ok: bool) -> None:
    assert looked("dmarc", TXT=zone).ok is ok


def test_the_policy_of_a_domain_above_counts() -> None:
    domain = msgspec.structs.replace(domain_of(), domain="a.b.example.com")
    zone = Zone(TXT={"_dmarc.example.com": ["v=DMARC1; p=none"]})
    found = look_up(zone, wanted(domain, NOTHING))
    assert [record.ok for record in found if record.kind == "dmarc"] == [True]


def test_few_names_are_asked_for_a_policy() -> None:
    asked: list[str] = []

    class Counting(Zone):
        def txt(self, name: str) -> Sequence[str]:
            asked.append(name)
            return super().txt(name)

    domain = msgspec.structs.replace(domain_of(), domain="a.b.c.d.e.f.example.com")
    look_up(Counting(), wanted(domain, NOTHING)[-1:])
    above = ["e.f.example.com", "f.example.com", "example.com"]
    assert asked == [f"_dmarc.{name}" for name in (domain.domain, *above)]


def test_an_outage_leaves_what_was_found() -> None:
    publishing = Publishing(return_path="back.relay.net")
    found = looked("return_path", publishing, CNAME={"bounce.example.com": "back.relay.net"})
    silent = looked("return_path", publishing, silent=["bounce.example.com"])
    domain = judged(domain_of(), [found], NOON)
    after = judged(domain, [silent], NOON)
    assert after.return_path == "bounce.example.com"
    assert "no answer" in after.records[0].why


def test_anything_may_be_published() -> None:
    texts = ["v=spf1 \x00\n\ud800" + "x" * 5000] * 50
    found = looked("spf", Publishing(spf="mx"), TXT={"example.com": texts})
    assert not found.ok
    assert len(found.found) == 10
    assert all(text.isprintable() and len(text) <= 1000 for text in found.found)
    assert msgspec.json.decode(msgspec.json.encode(found), type=DnsRecord) == found


def test_silence_is_not_a_denial() -> None:
    found = looked("dkim", silent=["cx1r._domainkey.example.com"])
    assert (found.ok, found.found) == (None, ())
    assert "no answer" in found.why


def test_keys_are_real() -> None:
    for algorithm, shortest in (("rsa", 390), ("ed25519", 44)):
        private, public = dkim_key.generate(algorithm)  # type: ignore[arg-type]
        assert len(public) >= shortest
        assert dkim_key.publishes(dkim_key.record(algorithm, public), public)  # type: ignore[arg-type]
        assert dkim_key.load(private).sign


@pytest.mark.parametrize(
    ("given_", "name"), [("Example.COM.", "example.com"), ("fußball.example", "xn--fuball-cta.example")]
)
def test_names_of_domains(given_: str, name: str) -> None:
    assert read_name(given_) == name


@pytest.mark.parametrize(
    "name",
    ["", "com", "localhost", "a@example.com", "a b.com", "192.0.2.1", "-a.com", "a..com", "x" * 300 + ".com"],
)
def test_what_is_no_domain(name: str) -> None:
    with pytest.raises(InvalidInput, match="domain"):
        read_name(name)
