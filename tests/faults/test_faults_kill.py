"""Workers that die: at any moment (R01), at every named point (R02), in a snapshot (R03)."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from courierx_core.campaigns import service as campaigns
from courierx_core.mail.address import Address
from courierx_core.messages.new import NewMessage
from courierx_core.messages.transactional import send
from tests.faults.conftest import PACED, Sites
from tests.faults.invariants import check_invariants, deliveries_of
from tests.faults.process import Process
from tests.faults.site import WINDOW, Site, wait_for

ITEM = 50
"""Recipients of each campaign: a killed worker's items wait for the lease, so there must be others."""


@pytest.mark.queue
def test_r01_kill_nine_loses_nobody_and_mails_nobody_twice(
    site: Site, seed: int, chance: random.Random, thorough: bool
) -> None:
    kills, recipients = (60, 6000) if thorough else (12, 1500)
    audiences = {}
    for _ in range(recipients // ITEM):
        list_id, addresses = site.people(ITEM)
        audiences[site.start(list_id)] = addresses
    workers = [site.worker(), site.worker()]
    # What a kill leaves uncertain may not have been sent, so the last kills come well before the end.
    first, last = 2 * WINDOW, recipients - (kills + 2) * WINDOW
    for moment in sorted(chance.sample(range(first, last), kills)):
        wait_for(f"{moment} messages sent", lambda moment=moment: site.sent() >= moment)
        victim = catch_at_work(site, workers, chance)
        workers.remove(victim)
        victim.kill()
        workers.append(site.worker())
    site.finish(*audiences)
    states = check_invariants(site, audiences, killed=kills)
    assert states["uncertain"] + states["accepted"] == recipients
    assert states["accepted"] >= recipients - kills * WINDOW
    for worker in workers:
        worker.stop()


def catch_at_work(site: Site, workers: Sequence[Process], chance: random.Random) -> Process:
    """Stop a random worker that has leases, so that what is seen is what dies."""

    def caught() -> Process | None:
        for worker in chance.sample(workers, len(workers)):
            if not site.holds(worker):
                continue
            worker.suspend()
            if site.holds(worker):
                return worker
            worker.resume()
        return None

    found: Process = wait_for("a worker has something leased", caught)
    return found


POINTS = {
    # point: (how often it is passed before the kill, something was sent, something was recorded)
    "after_claim": (1, False, False),
    "after_intent": (1, False, False),
    "after_connect": (1, False, False),
    "after_rcpt": (1, False, False),
    "mid_data": (1, False, False),
    "after_dot": (1, True, False),
    "after_reply": (1, True, False),
    "after_record": (2, True, True),
}


@pytest.mark.parametrize("point", POINTS)
def test_r02_a_kill_at_a_named_point_leaves_the_state_of_the_protocol(site: Site, point: str) -> None:
    nth, sent, recorded = POINTS[point]
    list_id, addresses = site.people(3 * WINDOW)
    campaign_id = site.start(list_id)
    worker = site.worker(failpoint=f"{point}:kill:{nth}")
    assert worker.wait() == -9, worker.words()
    died_at = site.states(campaign_id)
    in_sink = {message.recipient for message in site.server.received()}
    assert (died_at.get("accepted", 0) > 0) == recorded
    assert bool(in_sink) == sent
    assert "uncertain" not in died_at, "nobody has swept yet"
    site.let_time_pass()
    second = site.worker()
    site.finish(campaign_id)
    states = check_invariants(site, {campaign_id: addresses}, killed=1)
    uncertain = {row.address for row in deliveries_of(site, campaign_id) if row.state == "uncertain"}
    if point == "after_claim":
        assert not uncertain, "nothing was intended"
    else:
        assert uncertain, "something was intended, and its answer was not recorded"
    assert in_sink - uncertain <= {row.address for row in deliveries_of(site, campaign_id)}
    assert len(in_sink) - len(in_sink & uncertain) == died_at.get("accepted", 0), (
        "what the dead worker sent is accepted where that was recorded, and uncertain where not"
    )
    assert states["accepted"] == len(addresses) - len(uncertain)
    second.stop()


def test_r02_what_two_kills_leave_uncertain_is_sent_again_once_where_that_was_asked_for(site: Site) -> None:
    list_id, addresses = site.people(3 * WINDOW)
    campaign_id = site.start(list_id, on_uncertain="resend")
    first = site.worker(failpoint="after_dot:kill")
    assert first.wait() == -9, first.words()
    site.let_time_pass()
    second = site.worker()
    planned = "SELECT 1 FROM work WHERE topic = 'resend' AND state = 'ready'"
    wait_for("all but those are answered", lambda: site.rows(planned))
    lost = site.states(campaign_id)["uncertain"]
    second.kill()
    site.let_time_pass()
    again = site.worker(failpoint="after_dot:kill")
    assert again.wait() == -9, again.words()
    site.let_time_pass()
    last = site.worker()
    site.finish(campaign_id)
    report = site.report(campaign_id)
    states = check_invariants(site, {campaign_id: addresses}, killed=2, sent_again=addresses)
    assert report.resent == lost
    assert states["accepted"] + states["uncertain"] == len(addresses)
    assert 0 < states["uncertain"] <= lost, "what is lost a second time waits for a person"
    last.stop()


def test_r02_a_kill_after_the_last_record_still_completes_the_campaign(site: Site) -> None:
    list_id, addresses = site.people(1)
    campaign_id = site.start(list_id)
    worker = site.worker(failpoint="after_record:kill")
    assert worker.wait() == -9, worker.words()
    assert site.states(campaign_id) == {"accepted": 1}
    assert site.campaign(campaign_id).status == "sending", "it died before it could complete it"
    second = site.worker()
    site.finish(campaign_id)
    check_invariants(site, {campaign_id: addresses}, uncertain=0)
    second.stop()


def test_r02_a_kill_after_the_last_record_still_completes_a_single_message(site: Site) -> None:
    new = NewMessage(
        sender=Address("", "post@acme.example"),
        to=(Address("", "ann@x.example"),),
        subject="Hi",
        text="Hello",
    )
    sent = send(site.courier, site.tenant_id, new)
    worker = site.worker(failpoint="after_record:kill")
    assert worker.wait() == -9, worker.words()
    completed = f"SELECT 1 FROM messages WHERE id = {sent.message.id} AND completed_at IS NOT NULL"
    assert not site.rows(completed), "it died before it could complete it"
    second = site.worker()
    wait_for("it is completed", lambda: site.rows(completed))
    second.stop()


def test_r03_a_kill_in_the_snapshot_takes_everybody_once(
    sites: Sites, seed: int, chance: random.Random
) -> None:
    site = sites()
    chunks = 60
    list_id, addresses = site.people(600)
    campaign_id = site.start(list_id)
    bend = f"snapshot_chunk={len(addresses) // chunks}"
    for after in sorted(chance.sample(range(1, chunks - 10), 2)):
        # the nth notification comes after the nth chunk's commit; every start begins to count anew
        worker = site.worker(bend=bend)
        kill_in_snapshot(site, worker, campaign_id, after * len(addresses) // chunks)
    site.environ["COURIERX_WINDOW"] = "200"
    last = site.worker()
    site.finish(campaign_id)
    check_invariants(site, {campaign_id: addresses}, killed=2)
    last.stop()


def kill_in_snapshot(site: Site, worker: Process, campaign_id: int, people: int) -> None:
    """Kill the worker when so many people have their delivery, and not all."""
    message_id = site.campaign(campaign_id).message_id
    count = f"SELECT count(*) FROM deliveries WHERE message_id = {message_id}"
    wait_for(f"{people} deliveries", lambda: site.rows(count)[0][0] >= people)
    worker.kill()
    assert site.rows(f"SELECT state FROM work WHERE topic = 'snapshot' AND subject_id = {message_id}") == [
        ("leased",)
    ], "the kill came too late: the snapshot had ended"


@pytest.mark.queue
@pytest.mark.parametrize("nth", [1, 3])
def test_r03_a_kill_between_commit_and_notify_costs_seconds_only(sites: Sites, nth: int) -> None:
    site = sites(PACED)
    list_id, addresses = site.people(40)
    campaign_id = site.draft(list_id)
    worker = site.worker(bend=f"snapshot_chunk=10,kill_at_notify={nth}")
    starter = site.process("campaigns", "start", str(campaign_id), bend="kill_at_notify=1")
    assert starter.wait() == -9, starter.words()
    assert site.campaign(campaign_id).message_id is not None, "it was killed after the commit"
    assert worker.wait() == -9, worker.words()
    second = site.worker()
    wait_for("the first message", lambda: site.sent() > 0, 30.0)
    site.finish(campaign_id)
    check_invariants(site, {campaign_id: addresses}, killed=1)
    second.stop()


def test_r03_resuming_after_a_crash_in_the_snapshot_is_a_resume(site: Site) -> None:
    list_id, addresses = site.people(40)
    campaign_id = site.start(list_id)
    worker = site.worker(bend="snapshot_chunk=10,kill_at_notify=2")
    assert worker.wait() == -9, worker.words()
    campaigns.pause(site.courier, site.tenant_id, campaign_id)
    campaigns.resume(site.courier, site.tenant_id, campaign_id)
    second = site.worker()
    site.finish(campaign_id)
    check_invariants(site, {campaign_id: addresses}, killed=1)
    second.stop()
