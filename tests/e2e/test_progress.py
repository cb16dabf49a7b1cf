"""What a campaign waits for: each code as it arises, on both stores."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from courierx_core import adoption
from courierx_core.campaigns import service as campaigns
from courierx_core.campaigns.progress import Progress, progress
from courierx_core.delivery.claim import claim_send
from courierx_core.delivery.crew import SendCrew
from courierx_core.delivery.run import SendRun
from courierx_core.hooks import hookimpl
from courierx_core.plugins import register
from courierx_core.ports.driver import Runtime
from courierx_core.ports.ledger import Ledger
from courierx_core.ports.transport import Deferred, Envelope, Receipt
from courierx_core.tenants import service as tenants
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

Assemble = Callable[..., Platform]


def mock(script: Callable[[Envelope], Receipt | None] | None = None, **config: Any) -> MockTransport:
    return MockTransport("smtp", MockTransport.Config(**config), Runtime(), script=script)


@pytest.fixture
def alive() -> Callable[[Platform], Platform]:
    """Let somebody live who sends nothing by himself."""

    def beat(platform: Platform) -> Platform:
        assert adoption.check(platform.courier, "somebody") == ""
        return platform

    return beat


def far(platform: Platform, campaign_id: int) -> Progress:
    return progress(platform.courier, platform.tenant_id, campaign_id)


def codes(found: Progress) -> Sequence[str]:
    return [each.code for each in found.waiting_for]


def prepared(platform: Platform, people: int = 8) -> int:
    """Start a campaign and write its audience down, as the tasks' lane does."""
    platform.people(*(f"p{n}@x.example" for n in range(people)))
    campaign_id = platform.start()
    ledger = platform.courier.store.ledger()
    try:
        (item,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",))
        campaigns.snapshot(platform.courier, item)
    finally:
        ledger.close()
    return campaign_id


def send_once(platform: Platform, ledger: Ledger) -> None:
    """Send what is due, and end."""
    crew, stop = SendCrew(platform.courier), threading.Event()
    items = claim_send(platform.courier, ledger, "w", "broadcast")
    run = SendRun(platform.courier, ledger, crew, owner="w", stream="broadcast", stop=stop)
    try:
        run.run(items)
    finally:
        crew.close()


@pytest.fixture
def ledger(assemble: Assemble, store: Any) -> Iterator[Ledger]:
    made = store.ledger()
    yield made
    made.close()


def test_without_a_worker_it_waits_for_one(assemble: Assemble) -> None:
    platform = assemble(mock())
    platform.people("a@x.example")
    draft = platform.draft()
    assert far(platform, draft.id) == Progress(
        audience=0, done=0, in_flight=0, rate_per_second=0.0, eta=None, waiting_for=[]
    )
    campaigns.start(platform.courier, platform.tenant_id, draft.id)
    found = far(platform, draft.id)
    assert codes(found) == ["no_worker", "preparing"]
    assert "courierx worker" in found.waiting_for[0].remedy


def test_a_running_campaign_tells_how_far_it_is_and_a_completed_one_waits_for_nothing(
    assemble: Assemble,
) -> None:
    released = threading.Event()
    handed: list[int] = []

    def script(envelope: Envelope) -> Receipt | None:
        handed.append(envelope.id)
        assert len(handed) <= 50 or released.wait(60)
        return None

    platform = assemble(mock(script, max_concurrency=2), window=4)
    platform.people(*(f"p{n}@x.example" for n in range(80)))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda r: r.status == "sending" and r.states.get("accepted", 0) >= 46)
        found = far(platform, campaign_id)
        assert (found.audience, found.waiting_for) == (80, [])
        assert 46 <= found.done <= 50
        assert 1 <= found.in_flight <= 4
        assert found.rate_per_second > 0.7
        assert found.eta is not None
        released.set()
        platform.finish(campaign_id)
    found = far(platform, campaign_id)
    assert (found.done, found.in_flight, found.eta, found.waiting_for) == (80, 0, None, [])


def test_it_waits_for_the_transports_rate(assemble: Assemble, alive: Any, ledger: Ledger) -> None:
    platform = alive(assemble(mock(per_second=20)))
    campaign_id = prepared(platform)
    (waiting,) = far(platform, campaign_id).waiting_for
    assert (waiting.code, waiting.detail) == (
        "transport_rate",
        "transport smtp takes 20/s, 18 of them for campaigns",
    )
    assert "transports.smtp.per_second" in waiting.remedy
    campaigns.pause(platform.courier, platform.tenant_id, campaign_id)
    assert far(platform, campaign_id).waiting_for == []


def test_it_waits_for_a_worker_that_stopped_answering(assemble: Assemble, alive: Any, ledger: Ledger) -> None:
    platform = alive(assemble(mock()))
    campaign_id = prepared(platform)
    assert far(platform, campaign_id).waiting_for == []
    (item,) = ledger.claim("w", limit=1, lease_seconds=2.9, topics=("send",))
    (waiting,) = far(platform, campaign_id).waiting_for
    assert (waiting.code, item.lease_until is not None) == ("lease", True)
    assert f"holds 1 items until {item.lease_until:%Y-%m-%d %H:%M:%S}" in waiting.detail
    ledger.renew("w", lease_seconds=6.0)
    assert far(platform, campaign_id).waiting_for == []


def test_it_waits_for_a_transport_that_is_down(
    assemble: Assemble, smtp_transport: Any, alive: Any, ledger: Ledger
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused
        transport = smtp_transport(f"smtp://127.0.0.1:{nobody.getsockname()[1]}?starttls=never")
        platform = alive(assemble(transport))
        campaign_id = prepared(platform)
        found = _after_runs(platform, ledger, campaign_id, "transport_paused")
    (waiting,) = found.waiting_for
    assert "transport smtp rests until " in waiting.detail
    assert "refused" in waiting.detail.lower()
    assert found.eta is not None


def test_it_waits_for_what_was_deferred(assemble: Assemble, alive: Any, ledger: Ledger) -> None:
    def busy(envelope: Envelope) -> Receipt:
        return Deferred(envelope.id, "450 4.2.1 mailbox is full", status="4.2.1")

    platform = alive(assemble(mock(busy), retry_schedule=(600.0,)))
    campaign_id = prepared(platform)
    found = _after_runs(platform, ledger, campaign_id, "deferred_until")
    (waiting,) = found.waiting_for
    assert waiting.detail.startswith("deferred mail is tried again from 2")
    assert "450 4.2.1 mailbox is full" in waiting.detail
    assert found.eta is not None
    assert f"{found.eta:%H:%M:%S}" in waiting.detail


def test_it_waits_for_a_plugin_that_failed(assemble: Assemble, alive: Any, ledger: Ledger) -> None:
    class Broken:
        @hookimpl
        def courierx_block(self, message: Any, recipients: Any) -> Mapping[int, str]:
            raise RuntimeError("the directory is away")

    platform = alive(assemble(mock(), hooks=register([("directory", Broken())])))
    campaign_id = prepared(platform)
    (waiting,) = _after_runs(platform, ledger, campaign_id, "plugin").waiting_for
    assert "plugin directory failed" in waiting.detail


def test_a_scheduled_one_waits_for_its_senders_domain(assemble: Assemble, alive: Any) -> None:
    platform = alive(assemble(mock()))
    courier, tenant_id = platform.courier, platform.tenant_id
    draft = platform.draft()
    campaigns.schedule(courier, tenant_id, draft.id, courier.runtime.now() + timedelta(days=1))
    assert codes(far(platform, draft.id)) == []
    with courier.store.platform() as unit:
        tenants.edit(platform.courier, unit, tenant_id, requires_verified_domain=True)
    (waiting,) = far(platform, draft.id).waiting_for
    assert waiting.code == "sender_unverified"
    assert "acme.example" in waiting.detail
    platform.published("acme.example")
    assert codes(far(platform, draft.id)) == []


def test_it_waits_for_adoption(assemble: Assemble, alive: Any) -> None:
    platform = alive(assemble(mock()))
    campaign_id = prepared(platform)
    with platform.courier.store.platform() as unit:
        unit.save_installation(msgspec.structs.replace(unit.installation(), environment="staging"))
    assert adoption.check(platform.courier, "somebody")
    (waiting,) = far(platform, campaign_id).waiting_for
    assert waiting.code == "needs_adoption"
    assert "courierx adopt" in waiting.remedy


def _after_runs(platform: Platform, ledger: Ledger, campaign_id: int, code: str) -> Progress:
    """Send until nothing but `code` keeps it; the rest of a transport may be over between two runs."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        send_once(platform, ledger)
        found = far(platform, campaign_id)
        if codes(found) == [code]:
            return found
    raise AssertionError(f"not reached: {found}")
