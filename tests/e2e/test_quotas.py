"""A tenant's quota is exact, whoever sends and however often; what is not sent of it is there still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from courierx_core.campaigns.progress import progress
from courierx_core.ports.driver import Runtime
from courierx_core.ports.transport import Deferred, Envelope, Refused
from courierx_core.quotas import service as quotas
from courierx_core.quotas.model import Quota
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

Assemble = Callable[..., Platform]


class FarSide:
    """A mock transport that counts what it is handed, and answers by address."""

    def __init__(self, **config: Any) -> None:
        self.handed: list[str] = []
        self.transport = MockTransport("smtp", MockTransport.Config(**config), Runtime(), script=self._take)

    def _take(self, envelope: Envelope) -> Deferred | Refused | None:
        self.handed.append(envelope.rcpt_to)
        if envelope.rcpt_to.endswith("@gone.example"):
            return Refused(envelope.id, "550 5.1.1 unknown", "recipient", "5.1.1")
        return None


def allow(platform: Platform, **allowed: int | None) -> None:
    with platform.courier.store.begin(platform.tenant_id) as unit:
        quotas.change(unit, allowed)  # type: ignore[arg-type]


def used(platform: Platform) -> list[Quota]:
    with platform.courier.store.begin(platform.tenant_id, write=False) as unit:
        return list(unit.quotas.list())


def test_two_workers_send_what_is_allowed_and_not_one_more(assemble: Assemble) -> None:
    far = FarSide(latency_ms=1)
    platform = assemble(far.transport, window=20)
    free = Platform(platform.courier, "Other")
    for each in (platform, free):
        each.people(*(f"p{n}@{each.tenant_id}.example" for n in range(1200)))
    allow(platform, month=700, day=5000)
    campaign_id, theirs = platform.start(), free.start()
    with platform.worker(), platform.worker():
        free.finish(theirs)
        report = platform.wait(campaign_id, lambda report: report.states.get("accepted", 0) >= 700)
        again = platform.start()
        waits = platform.wait(again, lambda report: report.status == "sending")
        told = progress(platform.courier, platform.tenant_id, campaign_id).waiting_for
    assert report.states == {"accepted": 700, "queued": 500}
    assert sum(address.endswith(f"@{platform.tenant_id}.example") for address in far.handed) == 700
    assert waits.states.get("accepted", 0) == 0
    assert [each.code for each in told] == ["quota"]
    assert "may send 700 a month" in told[0].detail
    assert [each.used for each in used(platform)] == [700, 700]


@pytest.mark.parametrize("rate", [0, 200])
def test_what_is_not_handed_over_is_given_back(assemble: Assemble, rate: int) -> None:
    far = FarSide(per_second=rate)
    platform = assemble(far.transport)
    platform.people(*(f"p{n}@x.example" for n in range(50)), *(f"p{n}@gone.example" for n in range(10)))
    allow(platform, month=1000)
    campaign_id = platform.start()
    with platform.worker():
        report = platform.finish(campaign_id)
    assert report.states == {"accepted": 50, "bounced": 10}
    assert [each.used for each in used(platform)] == [60]


def test_a_raised_quota_is_used_by_what_comes_then(assemble: Assemble) -> None:
    far = FarSide()
    platform = assemble(far.transport)
    platform.people("ann@x.example")
    allow(platform, hour=0)
    first = platform.start()
    with platform.worker():
        platform.wait(
            first,
            lambda _: any(
                w.code == "quota" for w in progress(platform.courier, platform.tenant_id, first).waiting_for
            ),
        )
        allow(platform, hour=None)
        second = platform.start()
        platform.finish(second)
    assert platform.report(second).states == {"accepted": 1}
