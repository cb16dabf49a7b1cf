"""What the far side refuses at once is heard of like what comes back: events, suppressions, webhooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from courierx_core.campaigns.report import full_report
from courierx_core.feedback.refusals import keep_refusals
from courierx_core.feedback.service import receive
from courierx_core.ports.driver import Runtime
from courierx_core.ports.feedback import Feedback
from courierx_core.ports.transport import Envelope, Receipt, Refused
from courierx_core.webhooks import service as webhooks
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

SAID = {
    "gone": Refused(0, "550 5.1.1 There is no such user here", scope="recipient", status="5.1.1"),
    "full": Refused(0, "552 5.2.2 Mailbox full", scope="recipient", status="5.2.2"),
    "spam": Refused(0, "554 5.7.1 This looks like spam", scope="message", status="5.7.1"),
}


def refusing(envelope: Envelope) -> Receipt | None:
    said = SAID.get(envelope.rcpt_to.partition("@")[0])
    return None if said is None else Refused(envelope.id, said.reply, scope=said.scope, status=said.status)


def test_a_refusal_at_once_is_an_event_told_and_obeyed(assemble: Callable[..., Platform]) -> None:
    platform = assemble(MockTransport("smtp", MockTransport.Config(), Runtime(), script=refusing))
    courier, tenant_id = platform.courier, platform.tenant_id
    people = ["ann@x.example", "gone@x.example", "full@x.example", "spam@x.example"]
    platform.people(*people)
    with courier.store.begin(tenant_id) as unit:
        hook = webhooks.create(courier, unit, "https://x.example/in", types=["delivery.bounced"]).webhook
        unit.work.end(hook.id, topics=("webhook",))  # nobody calls it
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda report: _people(report) == {"bounced": 2, "rejected": 1})
        report = platform.finish(campaign_id)
    assert report.states == {"accepted": 1, "bounced": 2, "rejected": 1} == platform.recount(campaign_id)
    with courier.store.begin(tenant_id) as unit:
        message_id = unit.campaigns.get(campaign_id).message_id or 0
        assert unit.work.open_items(message_id, topics=("refusal",)) == 0
    keep_refusals(courier, tenant_id, message_id)
    with courier.store.begin(tenant_id, write=False) as unit:
        events = {event.recipient: event for event in unit.events.list()}
        rows = {row.address: row for row in unit.deliveries.list()}
        calls = unit.webhook_calls.list(hook.id)
        (barred,) = unit.suppressions.list()
        told = full_report(unit, campaign_id)
        assert len(unit.events.list()) == 3
    assert set(events) == {*people[1:]}
    gone, row = events["gone@x.example"], rows["gone@x.example"]
    assert (gone.kind, gone.bounce, gone.status, gone.source) == ("bounced", "hard", "5.1.1", "smtp")
    assert (gone.at, gone.reply, gone.delivery_id) == (row.updated_at, row.reply, row.id)
    assert (events["full@x.example"].kind, events["full@x.example"].bounce) == ("bounced", "soft")
    assert (events["spam@x.example"].kind, events["spam@x.example"].bounce) == ("rejected", None)
    assert (barred.address, barred.cause, barred.expires_at) == ("gone@x.example", "hard_bounce", None)
    assert Counter(call.event_id for call in calls) == {
        events[f"{name}@x.example"].id: 1 for name in ("gone", "full")
    }
    assert (told.rates["bounced"], told.bounces) == (round(2 / 3, 6), {"hard": 1, "soft": 1})
    assert sum(hour.events.get("bounced", 0) for hour in told.series) == 2

    again = platform.start()
    with platform.worker():
        assert platform.finish(again).states["suppressed"] == 1


def test_a_refusal_that_comes_back_too_is_one_persons_bounce(assemble: Callable[..., Platform]) -> None:
    platform = assemble(MockTransport("smtp", MockTransport.Config(), Runtime(), script=refusing))
    courier, tenant_id = platform.courier, platform.tenant_id
    platform.people("gone@x.example", "ann@x.example")
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda report: _people(report) == {"bounced": 1})
        platform.finish(campaign_id)
    with courier.store.begin(tenant_id, write=False) as unit:
        (row,) = unit.deliveries.list(address="gone@x.example")
    send_id = courier.tokens.mint("send", tenant_id, row.id)
    said = Feedback(kind="bounced", at=courier.runtime.now(), send_id=send_id, status="5.1.1")
    receive(courier, "smtp", [said])
    report = platform.report(campaign_id)
    assert (_people(report), report.events["bounced"].all) == ({"bounced": 1}, 2)
    assert report.states == {"accepted": 1, "bounced": 1} == platform.recount(campaign_id)


def _people(report: Any) -> dict[str, int]:
    return {kind: tally.people for kind, tally in report.events.items()}
