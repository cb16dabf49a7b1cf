"""Clocks that are wrong (R08), and two schedulers that want the same (R09)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from courierx_core.campaigns import service as campaigns
from courierx_core.ports.driver import utcnow
from tests.faults.conftest import PACED, Sites
from tests.faults.invariants import check_invariants
from tests.faults.site import WINDOW, Site

HOUR = 3600


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_r08_a_worker_whose_clock_is_an_hour_off_reclaims_nothing_early(sites: Sites, ahead: int) -> None:
    site = sites(PACED)
    list_id, addresses = site.people(8 * WINDOW)
    campaign_ids = {site.start(list_id): addresses}
    right, wrong = site.worker(), site.worker(bend=f"clock={ahead}", TZ="America/New_York")
    site.finish(*campaign_ids)
    states = check_invariants(site, campaign_ids, uncertain=0)
    assert states == {"accepted": len(addresses)}
    assert site.rows("SELECT max(epoch) FROM work WHERE topic = 'send'") == [(1,)], "an item was taken twice"
    right.stop()
    wrong.stop()


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_r08_a_schedule_is_kept_by_the_databases_clock(sites: Sites, ahead: int) -> None:
    site = sites()
    soon = schedule(site, 3, seconds=2.0)
    later = schedule(site, 1, seconds=HOUR / 2)
    wrong = site.worker(bend=f"clock={ahead}", TZ="America/New_York")
    site.finish(*soon)
    check_invariants(site, soon, uncertain=0)
    assert [site.campaign(each).status for each in later] == ["scheduled"], "it was started early"
    wrong.stop()


def test_r09_two_schedulers_start_each_of_a_hundred_campaigns_once(sites: Sites) -> None:
    site = sites()
    due = schedule(site, 100, seconds=3.0)
    workers = [site.worker(), site.worker()]
    site.finish(*due)
    states = check_invariants(site, due, uncertain=0)
    assert states == {"accepted": len(due)}
    assert site.rows("SELECT count(*), count(DISTINCT campaign_id) FROM messages") == [(100, 100)]
    assert site.sent() == 100
    takers = site.rows("SELECT count(*) FROM work WHERE topic = 'schedule' AND state = 'done' AND epoch = 1")
    assert takers == [(100,)]
    for worker in workers:
        worker.stop()


def schedule(site: Site, count: int, *, seconds: float) -> dict[int, list[str]]:
    """Schedule campaigns to one person each, so many seconds from when it is done; return their audiences."""
    audiences = {}
    for _ in range(count):
        list_id, addresses = site.people(1)
        audiences[site.draft(list_id)] = addresses
    for campaign_id in audiences:
        campaigns.schedule(site.courier, site.tenant_id, campaign_id, utcnow() + timedelta(seconds=seconds))
    return audiences
