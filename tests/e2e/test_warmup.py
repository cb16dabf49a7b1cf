"""A transport that is warmed up, on both stores: its day ends, and early where receivers object."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from courierx_core.campaigns.progress import Waiting, progress
from courierx_core.ports.driver import utcnow
from courierx_core.ports.transport import Deferred
from courierx_core.transports import service as transports
from courierx_core.transports.routes import Route
from courierx_core.transports.warmup import Warmup
from tests.e2e.conftest import Platform
from tests.e2e.test_routing import addresses, mock, post, went_over

Assemble = Callable[..., Platform]


@pytest.fixture(autouse=True)
def one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test run past midnight."""
    today, day = Warmup.today, utcnow().date()
    monkeypatch.setattr(Warmup, "today", lambda self, last, _: today(self, last, day))


def waits(platform: Platform, campaign_id: int) -> list[Waiting]:
    found = progress(platform.courier, platform.tenant_id, campaign_id).waiting_for
    return [each for each in found if each.code == "warmup"]


def test_what_is_past_its_day_goes_over_the_next_transport(assemble: Assemble) -> None:
    platform = assemble(
        mock("new"),
        mock("old"),
        routes={"main": Route(transports={"new": 1}, failover=("old",))},
        warmups={"new": {"start": 50}},
        default_transport="main",
    )
    platform.people(*addresses(900))
    with platform.worker():
        assert platform.finish(platform.start(transport="main")).states == {"accepted": 900}
    assert went_over(platform) == {("accepted", "new"): 45, ("accepted", "old"): 855}
    with platform.worker():
        platform.wait_for(post(platform, "reset@x.example"))
    (standing,) = [each for each in transports.standing(platform.courier) if each.name == "new"]
    assert standing.warm_day is not None
    assert (standing.warm_day.allowed, standing.warm_day.used, standing.warm_day.answered) == (50, 46, 46)


def test_a_campaign_that_has_no_other_way_waits_for_tomorrow(assemble: Assemble) -> None:
    platform = assemble(mock("smtp"), warmups={"smtp": {"start": 10}})
    platform.people(*addresses(40))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda report: report.states.get("accepted", 0) == 9)
        platform.wait(campaign_id, lambda _: bool(waits(platform, campaign_id)))
        platform.wait_for(post(platform, "reset@x.example"))
    (told,) = waits(platform, campaign_id)
    assert told.detail == "transport smtp sent 10 of the 10 that its warm-up allows today"
    assert platform.recount(campaign_id) == {"accepted": 9, "queued": 31}
    codes = [each.code for each in progress(platform.courier, platform.tenant_id, campaign_id).waiting_for]
    assert "transport_paused" not in codes


def test_a_day_ends_where_receivers_object(assemble: Assemble) -> None:
    late = mock("new", lambda envelope: Deferred(envelope.id, "451 4.7.1 unknown sender, later"))
    platform = assemble(
        late,
        mock("old"),
        routes={"main": Route(transports={"new": 1}, failover=("old",))},
        warmups={"new": {"start": 1000}},
        window=20,
    )
    platform.people(*addresses(700))
    with platform.worker():
        report = platform.finish(platform.start(transport="main"))
    assert report.states == {"accepted": 700}
    assert went_over(platform) == {("accepted", "old"): 700}
    day = transports.standing_of(platform.courier, "new").warm_day
    assert day is not None
    assert 20 <= day.objected == day.answered <= 500
    assert Warmup(start=1000).holds(day)


def test_a_warmed_transport_is_held_no_more(assemble: Assemble) -> None:
    platform = assemble(mock("smtp"), warmups={"smtp": {"start": 5, "full": 5}})
    platform.people(*addresses(40))
    with platform.worker():
        assert platform.finish(platform.start()).states == {"accepted": 40}
