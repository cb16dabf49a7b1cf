"""A tenant's own transport, both stores: mail goes over it as it is now, and waits once it is gone (S19)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from courierx_core.testing.smtp import SmtpServer
from courierx_core.transports import own, own_service
from tests.e2e.conftest import Platform
from tests.e2e.test_routing import addresses, mock, went_over

Assemble = Callable[..., Platform]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "LOOK_SECONDS", 0.0)


def give(platform: Platform, url: str) -> None:
    with platform.courier.store.begin(platform.tenant_id) as unit:
        own_service.give(platform.courier, unit, "ours", "smtp", {"url": url})


def test_a_campaign_goes_over_it_and_a_change_is_heeded(assemble: Assemble) -> None:
    platform = assemble(mock("smtp"))
    platform.people(*addresses(30))
    with SmtpServer() as first, SmtpServer() as second, platform.worker():
        give(platform, first.url)
        assert platform.finish(platform.start(transport="ours")).states == {"accepted": 30}
        give(platform, second.url)
        assert platform.finish(platform.start(transport="ours")).states == {"accepted": 30}
        assert set(first.counts().values()) == set(second.counts().values()) == {1}
        assert len(first.counts()) == len(second.counts()) == 30
    assert went_over(platform) == {("accepted", f"ours@{platform.tenant_id}"): 60}
    platform.courier.own_transports.close()


def test_a_dump_does_not_hold_its_password(assemble: Assemble) -> None:
    platform = assemble(mock("smtp"))
    give(platform, "smtp://us:hunter2-canary@relay.example:587")
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        sealed = unit.own_transports.get("ours")
    assert sealed is not None
    assert b"hunter2" not in sealed.settings
    assert b"hunter2" in platform.courier.secrets.decrypt(sealed.settings)


def test_what_is_on_its_way_pauses_where_it_was_taken_away(assemble: Assemble) -> None:
    platform = assemble(mock("smtp"))
    platform.people(*addresses(3))
    with SmtpServer() as server:
        give(platform, server.url)
        campaign_id = platform.start(transport="ours")
        with platform.courier.store.begin(platform.tenant_id) as unit:
            own_service.take_away(unit, "ours")
        with platform.worker():
            platform.wait(campaign_id, lambda report: report.status == "paused")
        assert not server.counts()
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        assert "ours@" in unit.campaigns.get(campaign_id).pause_reason


def test_a_message_that_names_anothers_is_not_sent(assemble: Assemble, monkeypatch: Any) -> None:
    """Nothing freezes such a message; this is the fence behind."""
    platform = assemble(mock("smtp"))
    platform.people(*addresses(3))
    with SmtpServer() as server:
        give(platform, server.url)
        other = Platform(platform.courier, "other")
        other.people(*addresses(3))
        whole = f"ours@{platform.tenant_id}"
        monkeypatch.setattr("courierx_core.campaigns.service.way_of", lambda *_: whole)
        campaign_id = other.start(transport="smtp")
        with other.worker():
            other.wait(campaign_id, lambda report: report.status == "paused")
        assert not server.counts()
