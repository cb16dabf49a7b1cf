"""Recipients and servers that are difficult: R14, R16 and R19."""

from __future__ import annotations

from courierx_core.audience.model import NewSubscriber
from courierx_core.delivery.service import resend
from courierx_core.feedback.service import receive
from courierx_core.ports.driver import utcnow
from courierx_core.ports.feedback import Feedback
from courierx_core.testing.dialogue import ServerOptions
from courierx_core.testing.script import Rule
from tests.faults.conftest import Sites
from tests.faults.invariants import check_invariants, deliveries_of, send_id
from tests.faults.site import WINDOW, wait_for


def test_r14_few_that_cannot_be_mailed_fail_with_a_reason_and_all_others_are_sent(
    sites: Sites, thorough: bool
) -> None:
    recipients, each = (6000, 1000) if thorough else (900, 300)
    refusing = Rule(stage="rcpt", recipient="grammar*", action="553 5.1.3 syntax")
    site = sites(refusing, options=ServerOptions(smtputf8=False))
    people = [NewSubscriber(f"p{n}@list.example", "Ann") for n in range(recipients)]
    for n in range(0, recipients, each):
        people[n] = NewSubscriber(f"breaks{n}@list.example", "Ann", "", {"city": "x" * 20_000})
        people[n + 1] = NewSubscriber(f"grammar{n}@list.example", "Ann")
        people[n + 2] = NewSubscriber(f"größe{n}@list.example", "Ann")
    campaign_id = site.start(site.list_of(people), text="Dear {{ first_name }} of {{ city }}")
    worker = site.worker(COURIERX_WINDOW="200")
    site.finish(campaign_id)
    states = check_invariants(site, {campaign_id: [each.email for each in people]}, uncertain=0)
    assert states["accepted"] == recipients - 3 * (recipients // each)
    rows = [row for row in deliveries_of(site, campaign_id) if row.state != "accepted"]
    assert len(rows) == 3 * (recipients // each)
    for row in rows:
        assert row.reason or row.reply, f"{row.address} is {row.state} without a reason"
    ends = {row.address[:3]: (row.state, row.status) for row in rows}
    assert ends == {"bre": ("failed", ""), "gra": ("bounced", "5.1.3"), "grö": ("bounced", "5.6.7")}
    worker.stop()


def test_r16_a_server_without_room_for_a_while_gets_everything_later(sites: Sites) -> None:
    k, rounds = WINDOW, 3
    recipients = 3 * WINDOW
    refusals = (recipients - k) * rounds
    full = Rule(stage="rcpt", action="452 4.3.1 no room", first=k + 1, last=k + refusals)
    site = sites(full)
    list_id, addresses = site.people(recipients)
    campaign_id = site.start(list_id)
    worker = site.worker()
    seen: set[int] = set()

    def over() -> bool:
        report = site.report(campaign_id)
        deferred = report.states.get("deferred", 0)
        seen.add(deferred)
        if deferred:
            assert report.status == "sending", f"{report.status} with {deferred} deferred"
        return report.status == "completed"

    wait_for("completed", over)
    assert recipients - k in seen, f"all behind message {k} should have been deferred at once: {seen}"
    states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
    assert states == {"accepted": recipients}
    tries = [row.tries for row in deliveries_of(site, campaign_id)]
    assert sum(tries) == recipients + refusals
    worker.stop()


def test_r19_exactly_what_is_still_uncertain_is_sent_again(sites: Sites) -> None:
    """20 of 26 are settled by what the provider reports, each report told twice."""
    taken = Rule(stage="dot", action="taken drop", recipient="taken*", each=1)
    lost = Rule(stage="dot", action="drop", recipient="lost*", each=1)
    site = sites(taken, lost)
    broken = [*(f"taken{n}" for n in range(20)), *(f"lost{n}" for n in range(6))]
    # Three that are taken behind each that breaks its connection: where nothing is taken for a while, the
    # breaker rests longer each time, as it should.
    names = [name for n, each in enumerate(broken) for name in (each, *(f"p{n}-{m}" for m in range(3)))]
    people = [NewSubscriber(f"{name}@list.example", "Ann") for name in names]
    addresses = [each.email for each in people]
    campaign_id = site.start(site.list_of(people))
    worker = site.worker()
    site.finish(campaign_id)
    check_invariants(site, {campaign_id: addresses}, uncertain=26)
    message_id = site.campaign(campaign_id).message_id
    assert message_id is not None
    rows = [row for row in deliveries_of(site, campaign_id) if row.state == "uncertain"]
    taken_rows = [row for row in rows if row.address.startswith("taken")]
    reports = [
        Feedback(kind="delivered", at=utcnow(), event_id=row.address, send_id=send_id(site, row))
        for row in taken_rows
    ]
    for expected in (20, 0):
        assert len(receive(site.courier, "smtp", reports).events) == expected
    states = check_invariants(site, {campaign_id: addresses}, uncertain=6)
    assert (states["accepted"], states["delivered"]) == (78, 20)
    with site.courier.store.begin(site.tenant_id) as unit:
        listed = unit.deliveries.list(message_id=message_id, state="uncertain")
        assert {row.address for row in listed} == {f"lost{n}@list.example" for n in range(6)}
        assert unit.deliveries.requeue(message_id, [row.id for row in taken_rows]) == []
    moved = resend(site.courier, site.tenant_id, [row.id for row in listed])
    assert sorted(moved) == sorted(row.id for row in listed)
    before = site.sent()
    done = f"SELECT 1 FROM messages WHERE id = {message_id} AND completed_at IS NOT NULL"
    wait_for("the six are sent", lambda: site.rows(done))
    assert site.sent() - before == 6
    states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
    assert states == {"accepted": 84, "delivered": 20}
    worker.stop()
