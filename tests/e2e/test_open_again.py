"""A campaign is completed if and only if nothing of it is open, whatever is sent again or comes back late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from courierx_core.campaigns import service as campaigns
from courierx_core.delivery.service import resend
from courierx_core.messages.service import complete_message, settle_message
from courierx_core.ports.driver import Runtime, utcnow
from courierx_core.ports.ledger import FollowUp, ItemMove, Outcome
from courierx_core.ports.transport import Deferred, Envelope, Receipt, Uncertain
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

Assemble = Callable[..., Platform]


def mock(script: Callable[[Envelope], Receipt | None] | None = None, **config: Any) -> MockTransport:
    return MockTransport("smtp", MockTransport.Config(**config), Runtime(), script=script)


def losing(*lost: str) -> Callable[[Envelope], Receipt | None]:
    """Script a transport that loses the first answer for these addresses."""
    left = set(lost)

    def script(envelope: Envelope) -> Receipt | None:
        if envelope.rcpt_to not in left:
            return None
        left.remove(envelope.rcpt_to)
        return Uncertain(envelope.id, "answer", "connection lost")

    return script


def uncertain(platform: Platform) -> list[int]:
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        return [each.id for each in unit.deliveries.list(state="uncertain")]


def message_of(platform: Platform, campaign_id: int) -> int:
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        return unit.campaigns.get(campaign_id).message_id or 0


def open_items(platform: Platform, subject_id: int, *topics: Any) -> int:
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        return unit.work.open_items(subject_id, topics=topics or ("snapshot", "send"))


def test_what_is_sent_again_opens_its_campaign_until_it_is_answered(assemble: Assemble) -> None:
    platform = assemble(mock(losing("a@x.example")))
    platform.people("a@x.example", "b@x.example")
    campaign_id = platform.start()
    with platform.worker():
        assert platform.finish(campaign_id).states == {"accepted": 1, "uncertain": 1}
    resend(platform.courier, platform.tenant_id, uncertain(platform))
    again = platform.report(campaign_id)
    assert (again.status, again.completed_at) == ("sending", None)
    with platform.worker():
        done = platform.finish(campaign_id)
    assert done.states == {"accepted": 2}
    assert done.completed_at is not None


def test_with_a_paused_campaign_it_waits_for_the_resume(assemble: Assemble) -> None:
    released, losing_one = threading.Event(), losing("a@x.example")

    def script(envelope: Envelope) -> Receipt | None:
        lost = losing_one(envelope)
        assert lost is not None or released.wait(60)
        return lost

    platform = assemble(mock(script, max_concurrency=1), window=1)
    platform.people("a@x.example", *(f"b{n}@x.example" for n in range(5)))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda r: r.states.get("uncertain") == 1)
        campaigns.pause(platform.courier, platform.tenant_id, campaign_id)
        (lost,) = uncertain(platform)
        resend(platform.courier, platform.tenant_id, [lost])
        with platform.courier.store.begin(platform.tenant_id) as unit:
            held = unit.work.hold(message_of(platform, campaign_id))
        assert held == 0, "what waits with the campaign is held already"
        released.set()
        assert platform.report(campaign_id).status == "paused"
        campaigns.resume(platform.courier, platform.tenant_id, campaign_id)
        assert platform.finish(campaign_id).states == {"accepted": 6}


def test_what_comes_back_of_a_cancelled_campaign_is_cancelled_too(assemble: Assemble) -> None:
    handed, released = threading.Event(), threading.Event()

    def script(envelope: Envelope) -> Receipt | None:
        handed.set()
        assert released.wait(60)
        return Deferred(envelope.id, "450 later")

    platform = assemble(mock(script, max_concurrency=1), window=2)
    platform.people(*(f"p{n}@x.example" for n in range(5)))
    campaign_id = platform.start()
    message_id = message_of(platform, campaign_id)
    with platform.worker():
        assert handed.wait(60)
        platform.wait(campaign_id, lambda r: r.status == "sending")
        campaigns.cancel(platform.courier, platform.tenant_id, campaign_id)
        assert open_items(platform, message_id) == 1
        released.set()
        platform.wait(campaign_id, lambda r: r.states == {"cancelled": 5})
    assert open_items(platform, message_id) == 0
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        assert unit.messages.get(message_id).completed_at is not None


def test_a_late_no_that_is_tried_again_opens_a_completed_campaign(assemble: Assemble) -> None:
    platform = assemble(mock())
    platform.people("a@x.example")
    campaign_id = platform.start()
    ledger, courier = platform.courier.store.ledger(), platform.courier
    (snapshot,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",))
    campaigns.snapshot(courier, snapshot)
    (item,) = ledger.claim("w", limit=1, lease_seconds=-1, topics=("send",))
    ledger.window(item.tenant_id, [ItemMove(item.id, item.epoch, item.hi, item.counts)], (), [item.hi])
    assert [each.uncertain for each in ledger.sweep()] == [1]
    assert complete_message(courier, item.tenant_id, item.subject_id)
    assert platform.report(campaign_id).status == "completed"
    late = Outcome(item.hi, item.id, item.subject_id, "deferred", item.attempt, tries=1)
    retry = FollowUp(item.subject_id, "broadcast", (item.hi,), item.attempt + 1, 0.0)
    ledger.window(item.tenant_id, [], [late], (), [retry])
    ledger.close()
    settle_message(courier, item.tenant_id, item.subject_id)
    assert platform.report(campaign_id).status == "sending"
    with platform.worker():
        assert platform.finish(campaign_id).states == {"accepted": 1}


def test_a_campaign_that_is_scheduled_anew_or_started_has_no_schedule_left(assemble: Assemble) -> None:
    platform = assemble(mock())
    platform.people("a@x.example")
    draft = platform.draft()
    courier, tenant = platform.courier, platform.tenant_id

    def planned() -> int:
        return open_items(platform, draft.id, "schedule")

    for hours in (1, 2, 3):
        campaigns.schedule(courier, tenant, draft.id, utcnow() + timedelta(hours=hours))
        assert planned() == 1
    campaigns.unschedule(courier, tenant, draft.id)
    assert planned() == 0
    campaigns.schedule(courier, tenant, draft.id, utcnow() + timedelta(hours=1))
    campaigns.start(courier, tenant, draft.id)
    assert planned() == 0
    campaigns.cancel(courier, tenant, draft.id)
    other = platform.draft()
    campaigns.schedule(courier, tenant, other.id, utcnow() + timedelta(hours=1))
    campaigns.cancel(courier, tenant, other.id)
    assert open_items(platform, other.id, "schedule") == 0


def test_a_schedule_that_cannot_start_says_why(assemble: Assemble) -> None:
    platform = assemble(mock())
    draft = platform.draft()
    courier, tenant = platform.courier, platform.tenant_id
    campaigns.schedule(courier, tenant, draft.id, utcnow() + timedelta(seconds=0.05))
    with platform.worker():
        found = platform.wait(draft.id, lambda r: r.status == "draft")
    assert found.pause_reason.startswith("not started: ")
    assert "nobody to go to" in found.pause_reason
    assert open_items(platform, draft.id, "schedule") == 0
