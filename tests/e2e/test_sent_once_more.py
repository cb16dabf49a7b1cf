"""`on_uncertain = resend`: what nothing has settled after two leases goes out once more, and never thrice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from courierx_core import adoption
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.progress import progress
from courierx_core.delivery.service import resend_uncertain
from courierx_core.mail.address import Address
from courierx_core.messages import transactional, uncertain
from courierx_core.messages.new import NewMessage
from courierx_core.messages.service import complete_message
from courierx_core.ports.driver import Runtime, utcnow
from courierx_core.ports.ledger import ItemMove, Ledger, Outcome
from courierx_core.ports.transport import Envelope, Receipt, Uncertain
from courierx_core.tenants import service as tenants
from courierx_core.work import NEEDS_ADOPTION, WorkItem
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

Assemble = Callable[..., Platform]
LONG = 1000.0


class Losing:
    """A transport that loses the first `times` answers for an address."""

    def __init__(self, lost: str = "a@x.example", times: int = 1) -> None:
        self.lost, self.times = lost, times
        self.handed: Counter[str] = Counter()

    def __call__(self, envelope: Envelope) -> Receipt | None:
        self.handed[envelope.rcpt_to] += 1
        if envelope.rcpt_to == self.lost and self.handed[self.lost] <= self.times:
            return Uncertain(envelope.id, "answer", "connection lost")
        return None

    def transport(self) -> MockTransport:
        return MockTransport("smtp", MockTransport.Config(), Runtime(), script=self)


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set how many leases are waited for."""
    return lambda leases: monkeypatch.setattr(uncertain, "WAIT_LEASES", leases)


def planned(platform: Platform) -> list[WorkItem]:
    """Claim what is planned to be sent again."""
    ledger = platform.courier.store.ledger()
    try:
        return ledger.claim("w", limit=9, lease_seconds=60, topics=("resend",))
    finally:
        ledger.close()


def lose(ledger: Ledger, item: WorkItem) -> None:
    """Let the worker of a send item die after it has handed everything over."""
    (leased,) = ledger.claim("dead", limit=1, lease_seconds=-1, topics=("send",), subject_id=item.subject_id)
    ids = [each.id for each in ledger.read(leased, after=leased.cursor, limit=100)]
    ledger.window(leased.tenant_id, [ItemMove(leased.id, leased.epoch, leased.hi, leased.counts)], (), ids)
    assert [each.uncertain for each in ledger.sweep()] == [len(ids)]


def lost_campaign(platform: Platform, *people: str, **parts: Any) -> int:
    """Start a campaign whose every answer is lost; return its id. It has no worker any more."""
    platform.people(*people)
    campaign_id = platform.start(**parts)
    ledger = platform.courier.store.ledger()
    try:
        (snapshot,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",))
        campaigns.snapshot(platform.courier, snapshot)
        lose(ledger, snapshot)
    finally:
        ledger.close()
    return campaign_id


def message_of(platform: Platform, campaign_id: int) -> int:
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        return unit.campaigns.get(campaign_id).message_id or 0


def waits_for(platform: Platform, campaign_id: int) -> list[str]:
    told = progress(platform.courier, platform.tenant_id, campaign_id)
    return [each.code for each in told.waiting_for]


@pytest.mark.parametrize(("times", "ends"), [(1, {"accepted": 2}), (2, {"accepted": 1, "uncertain": 1})])
def test_it_goes_out_once_more_whatever_becomes_of_it(
    assemble: Assemble, wait: Callable[[float], None], times: int, ends: dict[str, int]
) -> None:
    wait(0.05)
    losing = Losing(times=times)
    platform = assemble(losing.transport())
    platform.people("a@x.example", "b@x.example")
    campaign_id = platform.start(on_uncertain="resend")
    with platform.worker():
        done = platform.finish(campaign_id)
    assert (done.states, done.resent) == (ends, 1)
    assert losing.handed == {"a@x.example": 2, "b@x.example": 1}
    assert not planned(platform)


def test_until_then_the_campaign_goes_on_and_says_what_it_waits_for(
    assemble: Assemble, wait: Callable[[float], None]
) -> None:
    wait(LONG)
    platform = assemble(Losing().transport())
    platform.people("a@x.example")
    campaign_id = platform.start(on_uncertain="resend")
    with platform.worker():
        platform.wait(campaign_id, lambda _: waits_for(platform, campaign_id) == ["resend"])
    report = platform.report(campaign_id)
    assert (report.status, report.states) == ("sending", {"uncertain": 1})
    cancelled = campaigns.cancel(platform.courier, platform.tenant_id, campaign_id)
    assert cancelled.status == "cancelled"
    assert complete_message(platform.courier, platform.tenant_id, message_of(platform, campaign_id))
    assert platform.report(campaign_id).states == {"uncertain": 1}
    assert platform.report(campaign_id).resent == 0


def test_what_was_settled_meanwhile_is_not_sent_again(
    assemble: Assemble, wait: Callable[[float], None]
) -> None:
    wait(0.0)
    platform = assemble(Losing().transport())
    campaign_id = lost_campaign(platform, "a@x.example", "b@x.example", on_uncertain="resend")
    courier, message_id = platform.courier, message_of(platform, campaign_id)
    assert not complete_message(courier, platform.tenant_id, message_id)
    assert not complete_message(courier, platform.tenant_id, message_id)
    with courier.store.begin(platform.tenant_id, write=False) as unit:
        settled, left = (each.id for each in unit.deliveries.list(message_id=message_id))
    ledger = courier.store.ledger()
    ledger.window(platform.tenant_id, [], [Outcome(settled, 0, message_id, "accepted", 1)])
    ledger.close()
    (item,) = planned(platform)
    resend_uncertain(courier, item)
    assert (platform.report(campaign_id).states, platform.report(campaign_id).resent) == (
        {"accepted": 1, "queued": 1}, 1,
    )  # fmt: skip
    with courier.store.begin(platform.tenant_id, write=False) as unit:
        assert unit.deliveries.get(left).state == "queued"


def test_it_is_held_with_a_paused_campaign_and_for_adoption(
    assemble: Assemble, wait: Callable[[float], None]
) -> None:
    wait(0.0)
    platform = assemble(Losing(times=0).transport())
    courier, tenant = platform.courier, platform.tenant_id
    campaign_id = lost_campaign(platform, "a@x.example", on_uncertain="resend")
    campaigns.pause(courier, tenant, campaign_id)
    assert not complete_message(courier, tenant, message_of(platform, campaign_id))
    assert not planned(platform)
    campaigns.resume(courier, tenant, campaign_id)
    with courier.store.begin(tenant) as unit:
        assert unit.work.hold_all(NEEDS_ADOPTION, topics=adoption.TOPICS) == 1
    assert not planned(platform)
    assert adoption.adopt(courier) == 1
    with platform.worker():
        assert platform.finish(campaign_id).states == {"accepted": 1}


def single(platform: Platform, **parts: Any) -> int:
    """Post a message whose answer is lost; return its id."""
    new = NewMessage(
        sender=Address("", "post@acme.example"),
        to=(Address("", "a@x.example"),),
        subject="Hi",
        text="Hello",
        **parts,
    )
    sent = transactional.send(platform.courier, platform.tenant_id, new)
    ledger = platform.courier.store.ledger()
    try:
        lose(ledger, WorkItem(tenant_id=0, stream="transactional", topic="send", subject_id=sent.message.id))
    finally:
        ledger.close()
    complete_message(platform.courier, platform.tenant_id, sent.message.id)
    return sent.message.id


def test_a_message_says_what_becomes_of_it_or_its_tenant_does(
    assemble: Assemble, wait: Callable[[float], None]
) -> None:
    wait(0.0)
    platform = assemble(Losing(times=0).transport())
    single(platform)
    assert not planned(platform)
    first = single(platform, on_uncertain="resend")
    assert [item.subject_id for item in planned(platform)] == [first]
    with platform.courier.store.platform() as unit:
        tenants.edit(platform.courier, unit, platform.tenant_id, on_uncertain="resend")
    second = single(platform)
    single(platform, on_uncertain="hold")
    assert [item.subject_id for item in planned(platform)] == [second]


def test_what_would_be_too_late_stays_uncertain(assemble: Assemble, wait: Callable[[float], None]) -> None:
    wait(2.0)
    platform = assemble(Losing(times=0).transport(), transactional_ttl=10.0)
    message_id = single(platform, on_uncertain="resend")
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        message = unit.messages.get(message_id)
        assert (message.resent, unit.work.open_items(message_id)) == (None, 0)
        assert message.completed_at is not None
        assert message.expires_at is not None
        assert message.expires_at < utcnow() + timedelta(seconds=12)


def test_what_adoption_cancels_is_not_sent_again(assemble: Assemble, wait: Callable[[float], None]) -> None:
    wait(0.0)
    platform = assemble(Losing(times=0).transport())
    message_id = single(platform, on_uncertain="resend")
    with platform.courier.store.begin(platform.tenant_id) as unit:
        assert unit.work.hold_all(NEEDS_ADOPTION, topics=adoption.TOPICS) == 1
    assert adoption.adopt(platform.courier, cancel_open=True) == 1
    assert not planned(platform)
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        assert unit.messages.get(message_id).cancelled_at is not None
        assert unit.deliveries.totals(message_id) == {"uncertain": 1}
