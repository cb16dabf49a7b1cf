"""Receivers of webhooks that hang, die with a worker, or are gone: R24."""

from __future__ import annotations

from courierx_core.delivery.model import Delivery
from courierx_core.feedback.service import receive
from courierx_core.ports.driver import utcnow
from courierx_core.ports.feedback import Feedback
from courierx_core.testing.http import HttpAnswer, HttpCall, HttpPeer
from courierx_core.testing.script import Rule
from courierx_core.webhooks import service as webhooks
from courierx_core.webhooks.model import Call
from tests.faults.conftest import PACED, Sites
from tests.faults.invariants import check_invariants, deliveries_of, send_id
from tests.faults.site import WINDOW, Site, wait_for


def bounce(site: Site, delivery: Delivery) -> None:
    told = Feedback(kind="bounced", at=utcnow(), send_id=send_id(site, delivery), status="5.1.1")
    assert len(receive(site.courier, "smtp", [told]).events) == 1


def log_of(site: Site, webhook_id: int) -> list[Call]:
    """Return what the receiver was to be told, oldest first."""
    with site.courier.store.begin(site.tenant_id, write=False) as unit:
        return sorted(unit.webhook_calls.list(webhook_id), key=lambda call: call.id)


def test_r24_a_bad_receiver_delays_no_mail_and_hears_of_an_event_under_one_id(sites: Sites) -> None:
    status = 200

    def respond(call: HttpCall) -> HttpAnswer:
        return HttpAnswer(status)

    with HttpPeer(respond) as receiver:
        site = sites(COURIERX_WEBHOOK_NETWORKS="127.0.0.0/8")
        with site.courier.store.begin(site.tenant_id) as unit:
            webhook_id = webhooks.create(site.courier, unit, receiver.url).webhook.id
        first, _ = site.people(3)
        before = site.start(first)
        worker = site.worker()
        site.finish(before)
        deliveries = deliveries_of(site, before)

        receiver.behave("hang")
        bounce(site, deliveries[0])
        wait_for("the receiver is called", lambda: receiver.attempts() == 1)
        second, addresses = site.people(3 * WINDOW)
        during = site.start(second)
        site.finish(during)
        (waiting,) = log_of(site, webhook_id)
        assert (waiting.state, waiting.attempts) == ("waiting", ()), "nobody waited for the receiver"
        check_invariants(site, {during: addresses}, uncertain=0)

        worker.kill()
        worker.wait()
        receiver.behave("accept")
        site.let_time_pass()
        worker = site.worker()
        wait_for("it is told", lambda: log_of(site, webhook_id)[0].state == "told")
        assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1
        assert receiver.attempts() == 2

        status = 410
        bounce(site, deliveries[1])
        wait_for("it is called no more", lambda: log_of(site, webhook_id)[1].state == "failed")
        bounce(site, deliveries[2])
        assert len(log_of(site, webhook_id)) == 2
        assert receiver.attempts() == 3
        worker.stop()


def test_r24_a_kill_loses_the_word_of_no_refusal_and_tells_none_twice(sites: Sites) -> None:
    refusing = Rule(stage="rcpt", recipient="gone*", action="550 5.1.1 There is no such user here")
    site = sites(PACED, refusing)
    with site.courier.store.begin(site.tenant_id) as unit:
        webhook_id = webhooks.create(site.courier, unit, "https://x.example/in").webhook.id
        unit.work.end(webhook_id, topics=("webhook",))  # nobody calls it
    campaigns = [site.start(site.people(2 * WINDOW, name)[0]) for name in ("p", "gone")]
    for nth in (1, 3):
        worker = site.worker(failpoint=f"after_record:kill:{nth}")
        assert worker.wait() == -9, worker.words()
        site.let_time_pass()
    worker = site.worker()
    site.finish(*campaigns)
    told = "SELECT 1 FROM work WHERE topic = 'refusal' AND state <> 'done'"
    wait_for("all that was refused is told", lambda: not site.rows(told))
    worker.stop()
    refused = [row.id for each in campaigns for row in deliveries_of(site, each) if row.state == "bounced"]
    assert refused
    with site.courier.store.begin(site.tenant_id, write=False) as unit:
        events = unit.events.list(limit=1000)
    assert sorted(event.delivery_id or 0 for event in events) == sorted(refused)
    assert sorted(call.event_id or 0 for call in log_of(site, webhook_id)) == sorted(e.id for e in events)
