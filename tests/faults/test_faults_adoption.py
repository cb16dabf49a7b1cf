"""A database that woke up somewhere else, or too late, mails nobody until it is adopted: R23."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from courierx_core.campaigns import service as campaigns
from courierx_core.errors import Conflict
from courierx_core.mail.address import Address
from courierx_core.messages.new import NewMessage
from courierx_core.messages.transactional import send
from courierx_core.ports.driver import utcnow
from courierx_core.work import NEEDS_ADOPTION
from tests.faults.api import serving
from tests.faults.conftest import PACED, Sites
from tests.faults.invariants import check_invariants
from tests.faults.site import LEASE_SECONDS, WINDOW, Site, wait_for

PEOPLE = 4 * WINDOW
SINGLE = "ann@single.example"


class Open:
    """A site whose worker died in the middle: a campaign half sent, one scheduled, a single message."""

    def __init__(self, sites: Sites) -> None:
        self.site = site = sites(PACED)
        site.environ["COURIERX_MAX_LATENESS_SECONDS"] = str(LEASE_SECONDS)
        list_id, self.addresses = site.people(PEOPLE)
        self.sending = site.start(list_id)
        worker = site.worker()
        wait_for("the first messages", lambda: site.sent() >= 5)
        worker.kill()
        list_id, self.later = site.people(1)
        self.scheduled = site.draft(list_id)
        at = utcnow() + timedelta(seconds=1.0)
        campaigns.schedule(site.courier, site.tenant_id, self.scheduled, at)
        new = NewMessage(
            to=(Address("", SINGLE),), sender=Address("", "post@acme.example"), subject="Reset", text="Here"
        )
        [delivery] = send(site.courier, site.tenant_id, new).deliveries
        self.single = delivery.id
        self.sent = site.sent()

    @property
    def audiences(self) -> dict[int, list[str]]:
        return {self.sending: self.addresses, self.scheduled: self.later}

    def silent(self) -> None:
        """Nothing has left since the worker died, and everything says why."""
        site = self.site
        told = [(each.status, each.pause_reason) for each in map(site.campaign, self.audiences)]
        assert told == [("paused", NEEDS_ADOPTION), ("scheduled", NEEDS_ADOPTION)]
        assert site.sent() == self.sent
        assert site.rows("SELECT count(*) FROM work WHERE state IN ('ready', 'leased')") == [(0,)]
        with pytest.raises(Conflict, match="courierx adopt"):
            campaigns.resume(site.courier, site.tenant_id, self.sending)


def aged(site: Site) -> None:
    """Wait until nobody has lived there for longer than is allowed."""

    def age() -> bool:
        with site.courier.store.platform(write=False) as platform:
            return platform.installation().age_seconds > LEASE_SECONDS + 0.5

    wait_for("the heartbeat is old", age)


def down_past_the_lateness(site: Site) -> None:
    aged(site)


def restored_from_yesterday(site: Site) -> None:
    """The dump has yesterday's heartbeat in it, and every time of yesterday."""
    with site.changing() as run:
        for column, table in (("heartbeat_at", "installation"), ("due_at", "work")):
            day = "86400" if site.store == "sqlite" else "interval '1 day'"
            run(f"UPDATE {table} SET {column} = {column} - {day}")


def copied_from_production(site: Site) -> None:
    site.environ["COURIERX_PUBLIC_URL"] = "https://staging.acme.example"


SHAPES = [down_past_the_lateness, restored_from_yesterday, copied_from_production]


@pytest.mark.queue
@pytest.mark.parametrize("shape", SHAPES)
def test_r23_nothing_is_sent_until_a_person_adopts(sites: Sites, shape: Callable[[Site], None]) -> None:
    case = Open(sites)
    site = case.site
    shape(site)
    worker = site.worker()
    wait_for("it is held", lambda: site.campaign(case.scheduled).pause_reason == NEEDS_ADOPTION)
    with serving(site) as ask:
        ready = ask("GET", "/health/ready")
        assert (ready.status, ready.body["status"], ready.body["adoption"]) == (200, "degraded", "needed")
        # what is new waits as well: this may be a copy, and the people in it are real
        list_id, more = site.people(1, "new")
        fresh = site.draft(list_id)
        assert ask("POST", f"/campaigns/{fresh}/send-now").status == 200
    wait_for("the new one is held", lambda: site.campaign(fresh).pause_reason == NEEDS_ADOPTION)
    wait_for("the dead worker's lease is swept", lambda: not leases(site))
    case.silent()
    worker.stop()
    second = site.worker()
    wait_for("it lives", lambda: site.beats(second))
    case.silent()
    site.command("adopt")
    site.finish(case.sending, case.scheduled, fresh)
    wait_for("the single message", lambda: state(site, case.single) == "accepted")
    states = check_invariants(site, {**case.audiences, fresh: more}, killed=1)
    assert states["accepted"] + states["uncertain"] == PEOPLE + 2
    with serving(site) as ask:
        assert ask("GET", "/health/ready").body["adoption"] == "ok"
    second.stop()


@pytest.mark.queue
def test_r23_what_is_open_may_be_cancelled_instead(sites: Sites) -> None:
    case = Open(sites)
    site = case.site
    copied_from_production(site)
    worker = site.worker()
    wait_for("it is held", lambda: site.campaign(case.scheduled).pause_reason == NEEDS_ADOPTION)
    site.command("adopt", "--cancel-open")
    assert [site.campaign(each).status for each in case.audiences] == ["cancelled", "cancelled"]
    assert state(site, case.single) == "cancelled"
    wait_for("what was under way is swept", lambda: not leases(site))
    assert sum(site.states(case.sending).values()) == PEOPLE
    assert site.sent() == case.sent
    list_id, more = site.people(1, "new")
    fresh = site.start(list_id)
    site.finish(fresh)
    check_invariants(site, {case.sending: case.addresses, fresh: more}, killed=1)
    worker.stop()


@pytest.mark.queue
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_r23_with_nothing_open_nobody_is_asked(sites: Sites, shape: Callable[[Site], None]) -> None:
    site = sites()
    site.environ["COURIERX_MAX_LATENESS_SECONDS"] = str(LEASE_SECONDS)
    list_id, addresses = site.people(3)
    first = site.start(list_id)
    worker = site.worker()
    site.finish(first)
    worker.stop()
    shape(site)
    worker = site.worker()
    wait_for("it lives", lambda: site.beats(worker))
    second = site.start(list_id)
    site.finish(second)
    check_invariants(site, {first: addresses, second: addresses}, uncertain=0)
    worker.stop()


def leases(site: Site) -> bool:
    return bool(site.rows("SELECT 1 FROM work WHERE lease_until IS NOT NULL"))


def state(site: Site, delivery_id: int) -> str:
    with site.courier.store.begin(site.tenant_id, write=False) as unit:
        return unit.deliveries.get(delivery_id).state
