"""Workers that stand still (R20), that are told to stop (R21), and that are replaced mid-run (R12)."""

from __future__ import annotations

import random
import time

import pytest

from courierx_core.testing.script import Rule
from tests.faults.conftest import PACED, Sites
from tests.faults.invariants import check_invariants, deliveries_of
from tests.faults.process import Process
from tests.faults.site import CONNECTIONS, LEASE_SECONDS, WINDOW, Site, wait_for


@pytest.mark.queue
def test_r20_a_worker_that_stood_still_for_two_leases_sends_nothing_twice_and_its_answers_settle(
    site: Site, seed: int, chance: random.Random
) -> None:
    list_id, addresses = site.people(5 * WINDOW)
    campaign_id = site.start(list_id)
    frozen = site.worker()
    moment = chance.randrange(10, 3 * WINDOW)
    wait_for(f"{moment} messages sent", lambda: site.sent() >= moment)
    suspend_between_transactions(site, frozen)
    stopped_at = time.monotonic()
    other = site.worker()
    site.finish(campaign_id)
    taken = {message.recipient for message in site.server.received()}
    left = {row.address for row in deliveries_of(site, campaign_id) if row.state == "uncertain"}
    assert left & taken, "nothing was on the wire when it stopped: the fault did not land"
    wait_for("twice the lease", lambda: time.monotonic() > stopped_at + 2 * LEASE_SECONDS)
    frozen.resume()

    def settled() -> bool:
        return not any(
            row.state == "uncertain" and row.address in taken for row in deliveries_of(site, campaign_id)
        )

    wait_for("the answers it had are recorded", settled)
    frozen.stop()  # and with that everything it still had to say is said
    site.finish(campaign_id)
    wait_for("what it never handed over is sent", lambda: not site.items())
    check_invariants(site, {campaign_id: addresses}, killed=1)
    other.stop()


def suspend_between_transactions(site: Site, worker: Process) -> None:
    """Stop a worker where it is not in the middle of writing to SQLite: the lock of the file stays with a
    process that stands still, so nobody could go on, and what is to be shown is who may send."""

    def stands_still() -> bool:
        worker.suspend()
        if site.store == "sqlite" and not site.may_write():
            worker.resume()
            return False
        return True

    wait_for("it stands still between two transactions", stands_still)


@pytest.mark.queue
def test_r21_a_stop_under_load_leaves_nothing_uncertain(site: Site, seed: int, chance: random.Random) -> None:
    list_id, addresses = site.people(10 * WINDOW)
    campaign_id = site.start(list_id)
    worker = site.worker()
    moment = chance.randrange(1, 5 * WINDOW)
    wait_for(f"{moment} messages sent", lambda: site.sent() >= moment)
    worker.stop()
    assert site.states(campaign_id).get("queued"), "all were sent: the stop did not land"
    check_invariants(site, {campaign_id: addresses}, uncertain=0)
    second = site.worker()
    site.finish(campaign_id)
    states = check_invariants(site, {campaign_id: addresses}, uncertain=0)
    assert states == {"accepted": len(addresses)}
    second.stop()


def test_r21_a_stop_waits_no_longer_than_it_may_for_answers_that_never_come(sites: Sites) -> None:
    silent = CONNECTIONS - 1
    hang = Rule(stage="dot", action="taken hang", first=21, last=20 + silent)
    site = sites(hang, PACED)
    list_id, addresses = site.people(10 * WINDOW)
    campaign_id = site.start(list_id)
    worker = site.worker()
    wait_for("it has gone on beside the silent connections", lambda: site.sent() >= 20 + silent + WINDOW)
    worker.stop()
    unanswered = [message.recipient for message in site.server.received()][20 : 20 + silent]
    uncertain = {row.address for row in deliveries_of(site, campaign_id) if row.state == "uncertain"}
    assert uncertain >= set(unanswered)
    # each silent connection had its next message opened behind the one without an answer
    assert len(uncertain) <= 2 * silent
    assert site.states(campaign_id).get("queued"), "all were sent: the stop did not land"
    check_invariants(site, {campaign_id: addresses}, uncertain=len(uncertain))
    second = site.worker()
    site.finish(campaign_id)
    check_invariants(site, {campaign_id: addresses}, uncertain=len(uncertain))
    second.stop()


def test_r12_settings_change_and_workers_are_replaced_while_mail_goes_out(
    site: Site, seed: int, chance: random.Random
) -> None:
    list_id, addresses = site.people(600)
    campaign_ids = {site.start(list_id): addresses}
    workers = [site.worker(), site.worker()]
    for step in range(1, 5):
        wait_for(f"step {step}", lambda step=step: site.sent() >= 100 * step)
        site.connections(chance.randint(1, 12), per_second=chance.choice([0, 50, 200]))
        site.environ["COURIERX_WINDOW"] = str(chance.choice([5, 20, 200]))
        leaving = workers.pop(0)
        workers.append(site.worker())
        leaving.stop()
    assert site.states(*campaign_ids).get("queued"), "all were sent before the last change"
    site.finish(*campaign_ids)
    states = check_invariants(site, campaign_ids, uncertain=0)
    assert states == {"accepted": len(addresses)}
    for worker in workers:
        worker.stop()
