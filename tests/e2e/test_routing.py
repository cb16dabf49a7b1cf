"""Routes on both stores: mail is shared by weight, goes elsewhere where a far side is away, never twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from courierx_core.campaigns.progress import progress
from courierx_core.errors import InvalidInput
from courierx_core.mail.address import split_address
from courierx_core.messages import transactional
from courierx_core.messages.new import NewMessage
from courierx_core.ports.driver import Runtime
from courierx_core.ports.transport import Envelope, Receipt, Refused, Traits
from courierx_core.testing.script import Rule
from courierx_core.testing.smtp import SmtpServer
from courierx_core.transports import service as transports
from courierx_core.transports.routes import Route
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

Assemble = Callable[..., Platform]
Smtp = Callable[..., Any]


def mock(name: str, script: Callable[[Envelope], Receipt | None] | None = None) -> MockTransport:
    return MockTransport(name, MockTransport.Config(), Runtime(), script=script)


def addresses(n: int) -> list[str]:
    return [f"p{i}@x.example" for i in range(n)]


def went_over(platform: Platform) -> Counter[tuple[str, str]]:
    """Count the tenant's deliveries by state and transport."""
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        return Counter((each.state, each.transport) for each in unit.deliveries.list(limit=1000))


def post(platform: Platform, to: str) -> int:
    new = NewMessage(sender=split_address("a@acme.example"), to=(split_address(to),), subject="s", text="t")
    return transactional.send(platform.courier, platform.tenant_id, new).message.id


def test_single_messages_are_shared_by_weight(assemble: Assemble) -> None:
    route = Route(transports={"a": 3, "b": 1})
    platform = assemble(mock("a"), mock("b"), routes={"main": route}, default_transport="main")
    sent = [post(platform, each) for each in addresses(40)]
    with platform.worker():
        platform.wait_for(*sent)
    found = went_over(platform)
    assert sum(found.values()) == 40
    assert abs(found["accepted", "a"] - 30) <= 3
    assert abs(found["accepted", "b"] - 10) <= 3


def test_what_was_not_handed_over_goes_over_the_next_transport(
    assemble: Assemble, smtp_transport: Smtp
) -> None:
    with SmtpServer() as down, SmtpServer() as up:
        platform = assemble(
            smtp_transport(down.url, "eu"),
            smtp_transport(up.url, "backup"),
            routes={"main": Route(transports={"eu": 1}, failover=("backup",))},
        )
        down.stop()
        platform.people(*addresses(900))
        campaign_id = platform.start(transport="main")
        with platform.worker():
            report = platform.finish(campaign_id)
        assert report.states == platform.recount(campaign_id) == {"accepted": 900}
        assert went_over(platform) == {("accepted", "backup"): 900}
        assert set(up.counts().values()) == {1}


def test_what_may_have_arrived_never_goes_over_another_transport(
    assemble: Assemble, smtp_transport: Smtp
) -> None:
    """The connection is cut after the dot of some; then the far side takes nobody, and is away."""
    cut = [
        Rule(stage="dot", action="taken drop", first=100, last=100),
        Rule(stage="banner", action="421 4.3.2 closing", first=2),
    ]
    with SmtpServer(rules=cut) as first, SmtpServer() as second:
        platform = assemble(
            smtp_transport(first.url, "eu", max_concurrency=1),
            smtp_transport(second.url, "backup"),
            routes={"main": Route(transports={"eu": 1}, failover=("backup",))},
        )
        platform.people(*addresses(600))
        campaign_id = platform.start(transport="main")
        with platform.worker():
            report = platform.finish(campaign_id)
        before, after = first.counts(), second.counts()
    found = went_over(platform)
    assert report.states == platform.recount(campaign_id)
    assert sum(found.values()) == 600
    assert found["uncertain", "eu"] >= 1
    assert found["uncertain", "backup"] == 0
    assert found["accepted", "eu"] >= 1
    assert found["accepted", "backup"] == sum(after.values()) > 0
    assert not before.keys() & after.keys()
    assert set((before + after).values()) == {1}


def test_a_transport_that_refuses_us_is_paused_and_the_others_carry_all(
    assemble: Assemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("courierx_core.delivery.crew.LOOK_SECONDS", 0.0)
    suspended = mock("a", lambda envelope: Refused(envelope.id, "535 suspended", "transport"))
    platform = assemble(suspended, mock("b"), routes={"main": Route(transports={"a": 1, "b": 1})}, window=5)
    platform.people(*addresses(60))
    with platform.worker():
        platform.finish(platform.start(transport="main"))
        assert went_over(platform) == {("accepted", "b"): 60}
    if transports.pause(platform.courier, "a", "by hand"):  # else the campaign's item found it
        assert transports.resume(platform.courier, "a")
    else:
        assert transports.paused(platform.courier)["a"].reason == "535 suspended"


def test_a_campaign_waits_where_all_its_route_is_paused(assemble: Assemble) -> None:
    route = Route(transports={"a": 1}, failover=("b",))
    platform = assemble(mock("a"), mock("b"), routes={"main": route})
    platform.people(*addresses(3))
    campaign_id = platform.start(transport="main")

    def details() -> list[str]:
        found = progress(platform.courier, platform.tenant_id, campaign_id).waiting_for
        return [each.detail for each in found if each.code == "transport_paused"]

    transports.pause(platform.courier, "a", "one")
    assert details() == []
    transports.pause(platform.courier, "b", "two")
    assert details() == ["transport a is paused: one", "transport b is paused: two"]


def test_each_transport_of_a_route_gets_what_it_wants_signed(
    assemble: Assemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[int]] = {"ours": set(), "theirs": set()}
    made = []
    for name, signs in (("ours", False), ("theirs", True)):

        def look(envelope: Envelope, name: str = name) -> None:
            seen[name].add(envelope.mime().count(b"DKIM-Signature:"))

        transport = mock(name, look)
        traits = msgspec.structs.replace(transport.limits(), signs=signs)
        monkeypatch.setattr(transport, "limits", lambda traits=traits: traits)
        made.append(transport)
    route = Route(transports={"ours": 1, "theirs": 1})
    platform = assemble(*made, routes={"main": route}, default_transport="main")
    platform.published("acme.example")
    sent = [post(platform, each) for each in addresses(10)]
    with platform.worker():
        platform.wait_for(*sent)
    assert seen == {"ours": {2}, "theirs": {0}}


def test_a_message_must_fit_every_transport_of_its_route(
    assemble: Assemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = mock("bare")
    monkeypatch.setattr(bare, "limits", lambda: Traits(features=frozenset()))
    platform = assemble(mock("a"), bare, routes={"main": Route(transports={"a": 1}, failover=("bare",))})
    platform.people(*addresses(1))
    with pytest.raises(InvalidInput, match="transport 'bare' cannot carry headers"):
        platform.start(transport="main")
    with pytest.raises(InvalidInput, match=r"no transport 'elsewhere' \(configured: a, bare, main\)"):
        platform.start(transport="elsewhere")


def test_a_domain_gets_no_more_than_its_rate_and_delays_nobody_else(assemble: Assemble) -> None:
    sent: list[tuple[float, str]] = []

    def note(envelope: Envelope) -> None:
        sent.append((time.monotonic(), envelope.rcpt_to.partition("@")[2]))

    platform = assemble(mock("smtp", note), domain_rates={"big.example": {"count": 10}}, window=50)
    platform.people(*(f"p{i}@{'big' if i % 2 else 'free'}.example" for i in range(60)))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda report: report.states.get("accepted", 0) >= 30)
        found = progress(platform.courier, platform.tenant_id, campaign_id).waiting_for
        assert platform.finish(campaign_id).states == platform.recount(campaign_id) == {"accepted": 60}
    assert [each.code for each in found if each.code == "domain_rate"] == ["domain_rate"]
    slow = sorted(at for at, domain in sent if domain == "big.example")
    assert max(at for at, domain in sent if domain == "free.example") < slow[-1]
    assert len(sent) == 60
    for first in range(len(slow) - 11):  # of 11 in a row the last is a second after the first, but for jitter
        assert slow[first + 11] - slow[first] > 0.9
