"""A schedule whose time passed long ago starts nothing by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from courierx_core import adoption
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.progress import progress
from courierx_core.ports.driver import Runtime, utcnow
from courierx_core.work import NEEDS_ADOPTION, WorkItem
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

LATE = timedelta(hours=2)


@pytest.fixture
def platform(assemble: Callable[..., Platform]) -> Platform:
    made = assemble(MockTransport("smtp", MockTransport.Config(), Runtime()))
    made.people("a@x.example")
    return made


def overdue(platform: Platform, by: timedelta) -> int:
    """Schedule a campaign whose time passed while nobody looked; return its id."""
    draft = platform.draft()
    campaigns.schedule(platform.courier, platform.tenant_id, draft.id, utcnow() + timedelta(hours=1))
    at: Any = utcnow() - by
    with platform.courier.store.begin(platform.tenant_id) as unit:
        unit.work.end(draft.id, topics=("schedule",))
        unit.work.add(
            WorkItem(
                tenant_id=platform.tenant_id,
                stream="broadcast",
                topic="schedule",
                subject_id=draft.id,
                due_at=at,
            )
        )
        scheduled = msgspec.structs.replace(unit.campaigns.get(draft.id), scheduled_at=at)
        unit.campaigns.save(scheduled, was="scheduled")
    return draft.id


def test_what_is_a_little_late_starts(platform: Platform) -> None:
    campaign_id = overdue(platform, timedelta(minutes=50))
    with platform.worker():
        assert platform.finish(campaign_id).states == {"accepted": 1}


def test_what_is_too_late_waits_and_says_so_until_it_is_adopted(platform: Platform) -> None:
    campaign_id = overdue(platform, LATE)
    with platform.worker():
        held = platform.wait(campaign_id, lambda r: r.pause_reason == NEEDS_ADOPTION)
        assert (held.status, held.audience) == ("scheduled", 0)
        (waiting,) = progress(platform.courier, platform.tenant_id, campaign_id).waiting_for
        assert waiting.code == "needs_adoption"
        assert "it was to start at " in waiting.detail
        assert adoption.adopt(platform.courier) == 1
        assert platform.finish(campaign_id).states == {"accepted": 1}


def test_what_is_too_late_may_be_given_another_time(platform: Platform) -> None:
    campaign_id = overdue(platform, LATE)
    courier, tenant = platform.courier, platform.tenant_id
    with platform.worker():
        platform.wait(campaign_id, lambda r: r.pause_reason == NEEDS_ADOPTION)
        again = campaigns.schedule(courier, tenant, campaign_id, utcnow() + timedelta(seconds=0.2))
        assert again.pause_reason == ""
        assert platform.finish(campaign_id).states == {"accepted": 1}
