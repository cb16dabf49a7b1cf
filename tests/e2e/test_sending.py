"""Campaigns over real SMTP on both stores: everybody is accounted for, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.progress import progress
from courierx_core.delivery.service import resend
from courierx_core.errors import Conflict, InvalidInput
from courierx_core.hooks import hookimpl
from courierx_core.plugins import register
from courierx_core.ports.driver import Runtime
from courierx_core.ports.transport import Accepted, Envelope, Receipt, Refused, Session, Uncertain
from courierx_core.suppression.model import Suppression
from courierx_core.testing.script import Rule
from courierx_core.testing.smtp import SmtpServer
from courierx_core.transports import service as transports
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

Assemble = Callable[..., Platform]


def mock(script: Callable[[Envelope], Receipt | None] | None = None, **config: Any) -> MockTransport:
    return MockTransport("smtp", MockTransport.Config(**config), Runtime(), script=script)


def addresses(n: int, host: str = "x.example") -> list[str]:
    return [f"p{i}@{host}" for i in range(n)]


def test_every_recipient_ends_in_one_state_and_the_server_agrees(
    assemble: Assemble, smtp_transport: Callable[..., Any]
) -> None:
    rules = [
        Rule(stage="rcpt", recipient="*@gone.example", action="550 5.1.1 no such user"),
        Rule(stage="rcpt", recipient="*@busy.example", action="450 4.2.1 busy", each=1),
    ]
    with SmtpServer(rules=rules) as server:
        platform = assemble(smtp_transport(server.url))
        platform.people(*addresses(1200), *addresses(30, "gone.example"), *addresses(30, "busy.example"))
        with platform.courier.store.begin(platform.tenant_id) as unit:
            told = [Suppression(tenant_id=platform.tenant_id, address=f"p{i}@x.example") for i in range(40)]
            unit.suppressions.add_many(told)
        campaign_id = platform.start()
        with platform.worker():
            report = platform.finish(campaign_id)
        assert report.audience == 1260
        assert report.states == {"accepted": 1190, "bounced": 30, "suppressed": 40}
        assert platform.recount(campaign_id) == report.states
        counts = server.counts()
        assert set(counts.values()) == {1}
        assert set(counts) == {*addresses(1200)[40:], *addresses(30, "busy.example")}
        assert [(r.state, r.status, r.count) for r in report.reasons if r.state == "bounced"] == [
            ("bounced", "5.1.1", 30)
        ]


def test_an_outage_costs_time_and_nothing_else(
    assemble: Assemble, smtp_transport: Callable[..., Any]
) -> None:
    with SmtpServer() as server:
        platform = assemble(smtp_transport(server.url))
        platform.people(*addresses(50))
        server.stop()
        campaign_id = platform.start()
        with platform.worker():
            platform.wait(campaign_id, lambda r: r.status == "sending")
            server.start()
            report = platform.finish(campaign_id)
        assert report.states == {"accepted": 50}
        assert set(server.counts().values()) == {1}


def test_a_stopped_worker_leaves_nothing_uncertain_and_the_next_goes_on(
    assemble: Assemble, smtp_transport: Callable[..., Any]
) -> None:
    with SmtpServer(rules=[Rule(stage="dot", action="delay 0.1")]) as server:
        platform = assemble(smtp_transport(server.url), window=20)
        platform.people(*addresses(600))
        campaign_id = platform.start()
        with platform.worker():
            platform.wait(campaign_id, lambda r: r.states.get("accepted", 0) >= 50)
        stopped = platform.report(campaign_id)
        assert stopped.states.get("accepted", 0) < 600
        assert set(stopped.states) == {"accepted", "queued"}
        assert len(server.received()) == stopped.states["accepted"]
        with platform.worker():
            assert platform.finish(campaign_id).states == {"accepted": 600}
        assert sorted(server.counts()) == sorted(addresses(600))
        assert set(server.counts().values()) == {1}


def stopping_at(n: int, handed: list[int], released: threading.Event) -> Callable[[Envelope], Receipt | None]:
    """Script a transport that holds the n-th envelope until released: there is time to pause and cancel."""

    def script(envelope: Envelope) -> Receipt | None:
        handed.append(envelope.id)
        if len(handed) == n:
            assert released.wait(60)
        return None

    return script


def test_after_a_pause_nothing_is_intended_and_resume_finishes(assemble: Assemble) -> None:
    handed: list[int] = []
    released = threading.Event()
    platform = assemble(mock(stopping_at(60, handed, released)), window=10)
    platform.people(*addresses(400))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda r: r.states.get("accepted", 0) >= 30)
        campaigns.pause(platform.courier, platform.tenant_id, campaign_id)
        at_pause = len(handed)
        released.set()
        platform.wait(campaign_id, lambda r: r.states.get("accepted", 0) == len(handed))
        assert len(handed) - at_pause <= 10
        assert platform.report(campaign_id).status == "paused"
        assert len(handed) < 400
        campaigns.resume(platform.courier, platform.tenant_id, campaign_id)
        assert platform.finish(campaign_id).states == {"accepted": 400}
    assert len(set(handed)) == len(handed) == 400
    assert platform.recount(campaign_id) == {"accepted": 400}


def test_a_cancel_before_anyone_is_counted_still_adds_up(assemble: Assemble) -> None:
    sent: list[str] = []

    def note(envelope: Envelope) -> None:
        sent.append(envelope.recipient)

    platform = assemble(mock(note))
    platform.people(*addresses(30))
    campaign_id = platform.start()
    campaigns.cancel(platform.courier, platform.tenant_id, campaign_id)
    with platform.worker():
        report = platform.wait(campaign_id, lambda r: r.audience == 30)
    assert platform.recount(campaign_id) == report.states == {"cancelled": 30}
    assert not sent


def test_cancel_closes_the_rest_and_the_books_add_up(assemble: Assemble) -> None:
    released = threading.Event()
    platform = assemble(mock(stopping_at(60, [], released)), window=10)
    platform.people(*addresses(400))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda r: r.states.get("accepted", 0) >= 30)
        campaigns.cancel(platform.courier, platform.tenant_id, campaign_id)
        released.set()
        report = platform.wait(campaign_id, lambda r: not r.states.get("queued"))
    assert report.status == "cancelled"
    assert report.audience == 400
    assert set(report.states) == {"accepted", "cancelled"}
    assert platform.recount(campaign_id) == report.states
    with pytest.raises(Conflict, match="is cancelled"):
        campaigns.resume(platform.courier, platform.tenant_id, campaign_id)


class Vanishing(MockTransport):
    """Takes envelopes and never answers: what a worker killed in the middle leaves behind."""

    def open(self) -> Session:
        return _Silent(self.released)

    released: threading.Event


class _Silent(Session):
    def __init__(self, released: threading.Event) -> None:
        self._released = released

    def send(self, envelope: Envelope) -> Receipt:
        raise NotImplementedError

    def send_many(self, envelopes: Iterator[Envelope | None]) -> Iterator[Receipt]:
        for envelope in envelopes:
            if envelope is None:
                self._released.wait(30)
                return
        yield from ()

    def close(self) -> None: ...


def test_what_an_early_return_leaves_is_uncertain_and_never_sent_again(assemble: Assemble) -> None:
    transport = Vanishing("smtp", MockTransport.Config(), Runtime())
    transport.released = threading.Event()
    platform = assemble(transport, window=8)
    platform.people(*addresses(8))
    campaign_id = platform.start()
    with platform.worker():
        transport.released.set()
        report = platform.wait(campaign_id, lambda r: r.status == "completed")
    assert report.states == {"uncertain": 8}
    assert platform.recount(campaign_id) == {"uncertain": 8}


def test_a_person_has_chosen_uncertain_ones_sent_again(assemble: Assemble) -> None:
    lost = True
    platform = assemble(mock(lambda e: Uncertain(e.id, "answer", "the line was cut") if lost else None))
    platform.people(*addresses(6))
    campaign_id = platform.start()
    with platform.worker():
        assert platform.finish(campaign_id).states == {"uncertain": 6}
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        chosen = [each.id for each in unit.deliveries.list(state="uncertain", limit=2)]
    lost = False
    assert list(resend(platform.courier, platform.tenant_id, chosen)) == sorted(chosen)
    with platform.worker():
        report = platform.wait(campaign_id, lambda r: r.states.get("accepted") == 2)
    assert report.states == platform.recount(campaign_id) == {"accepted": 2, "uncertain": 4}
    with pytest.raises(InvalidInput, match="is accepted"):
        resend(platform.courier, platform.tenant_id, chosen)


def test_a_clone_goes_to_exactly_those_who_got_nothing(assemble: Assemble) -> None:
    refusing = True

    def script(envelope: Envelope) -> Receipt | None:
        bad = refusing and envelope.rcpt_to.startswith("p1")
        return Refused(envelope.id, "550 5.7.1 not today") if bad else None

    platform = assemble(mock(script))
    platform.people(*addresses(12))
    campaign_id = platform.start()
    with platform.worker():
        assert platform.finish(campaign_id).states == {"accepted": 9, "bounced": 3}
        refusing = False
        copy = campaigns.clone(platform.courier, platform.tenant_id, campaign_id, only=["bounced"])
        assert copy.status == "draft"
        campaigns.start(platform.courier, platform.tenant_id, copy.id)
        assert platform.finish(copy.id).states == {"accepted": 3}


def test_a_campaign_that_mostly_bounces_is_stopped(assemble: Assemble) -> None:
    platform = assemble(mock(lambda e: Refused(e.id, "550 5.1.1 no such user", status="5.1.1")), window=50)
    platform.people(*addresses(600))
    campaign_id = platform.start()
    with platform.worker():
        report = platform.wait(campaign_id, lambda r: r.status == "paused")
    assert "bounced hard" in report.pause_reason
    assert platform.report(campaign_id).states.get("queued", 0) > 0


def test_one_recipient_that_cannot_be_rendered_fails_alone(assemble: Assemble) -> None:
    platform = assemble(mock())
    platform.people(*addresses(20))
    with platform.courier.store.begin(platform.tenant_id) as unit:
        found = unit.subscribers.by_email("p3@x.example")
        assert found is not None
        import msgspec

        unit.subscribers.save(msgspec.structs.replace(found, attributes={"city": "x" * 20_000}))
    campaign_id = platform.start(text="Dear {{ first_name }} of {{ city }}")
    with platform.worker():
        report = platform.finish(campaign_id)
    assert report.states == {"accepted": 19, "failed": 1}
    assert "cannot render" in report.reasons[0].reason


class Blocker:
    def __init__(self) -> None:
        self.failing = False
        self.seen: list[str] = []

    @hookimpl
    def courierx_block(self, message: Any, recipients: Sequence[Any]) -> Mapping[int, str]:
        if self.failing:
            raise RuntimeError("the list server is away")
        return {r.id: "on our own list" for r in recipients if r.address.startswith("p1")}

    @hookimpl
    def courierx_after_send(self, results: Sequence[Any]) -> None:
        self.seen += [f"{r.id}:{r.state}" for r in results]


def test_a_plugin_blocks_and_observes(assemble: Assemble) -> None:
    plugin = Blocker()
    platform = assemble(mock(), hooks=register([("blocker", plugin)]))
    platform.people(*addresses(20))
    campaign_id = platform.start()
    with platform.worker():
        report = platform.finish(campaign_id)
    assert report.states == {"accepted": 9, "blocked": 11}
    assert report.reasons[0].reason == "on our own list"
    assert len(plugin.seen) == len(set(plugin.seen)) == 20


def test_a_failing_guard_defers_and_nobody_is_mailed_unchecked(assemble: Assemble) -> None:
    plugin = Blocker()
    plugin.failing = True
    sent: list[int] = []
    platform = assemble(mock(lambda e: sent.append(e.id)), hooks=register([("blocker", plugin)]))
    platform.people(*addresses(5))
    campaign_id = platform.start()
    with platform.worker():
        report = platform.wait(campaign_id, lambda r: r.states.get("deferred") == 5)
    assert sent == []
    assert report.status == "sending"


def test_a_relay_that_refuses_our_side_is_paused_for_everybody_and_spends_nothing(
    assemble: Assemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("courierx_core.delivery.run.UNSENDABLE_SECONDS", 0.2)
    monkeypatch.setattr("courierx_core.delivery.crew.LOOK_SECONDS", 0.0)
    refusing = True
    told: list[bytes] = []

    def tell(envelope: Envelope) -> Receipt | None:
        told.append(envelope.mime())
        return None

    other = MockTransport("other", MockTransport.Config(), Runtime(), script=tell)

    def script(envelope: Envelope) -> Receipt | None:
        return Refused(envelope.id, "530 5.7.0 authenticate first", "transport") if refusing else None

    platform = assemble(
        mock(script), other, window=5, operator_email="ops@acme.example", default_sender="cx@acme.example"
    )
    platform.people(*addresses(40))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda _: bool(transports.paused(platform.courier)) and bool(told))
    assert platform.report(campaign_id).status == "sending"
    assert platform.report(campaign_id).states == platform.recount(campaign_id) == {"queued": 40}
    (waiting,) = [
        each
        for each in progress(platform.courier, platform.tenant_id, campaign_id).waiting_for
        if each.code == "transport_paused"
    ]
    assert waiting.detail == "transport smtp is paused: 530 5.7.0 authenticate first"
    assert "courierx transports resume smtp" in waiting.remedy
    assert len(told) == 1
    assert b"To: ops@acme.example" in told[0]
    assert b"530 5.7.0 authenticate first" in told[0]
    refusing = False
    assert transports.resume(platform.courier, "smtp")
    assert not transports.resume(platform.courier, "smtp")
    with platform.worker():
        assert platform.finish(campaign_id).states == {"accepted": 40}


def test_two_starts_make_one_run(assemble: Assemble) -> None:
    platform = assemble(mock())
    platform.people(*addresses(10))
    draft = platform.draft()
    results: list[object] = []

    def start() -> None:
        try:
            results.append(campaigns.start(platform.courier, platform.tenant_id, draft.id))
        except Conflict as conflict:
            results.append(conflict)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(not isinstance(result, Conflict) for result in results) == 1
    with platform.worker():
        assert platform.finish(draft.id).states == {"accepted": 10}


def test_a_transport_that_lies_about_ids_changes_nobody_else(assemble: Assemble) -> None:
    class Liar(MockTransport):
        def open(self) -> Session:
            return _Liar()

    class _Liar(Session):
        def send(self, envelope: Envelope) -> Receipt:
            return Accepted(envelope.id)

        def send_many(self, envelopes: Iterator[Envelope | None]) -> Iterator[Receipt]:
            for envelope in envelopes:
                if envelope is not None:
                    yield Uncertain(10**9, "answer", "made up")
                    yield Accepted(envelope.id)
                    yield Refused(envelope.id, "550 too late")

        def close(self) -> None: ...

    platform = assemble(Liar("smtp", MockTransport.Config(), Runtime()))
    platform.people(*addresses(10))
    campaign_id = platform.start()
    with platform.worker():
        assert platform.finish(campaign_id).states == {"accepted": 10}
