"""A campaign of which too much comes back is paused while there is something left to save."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from courierx_core.campaigns import reputation
from courierx_core.campaigns import service as campaigns
from courierx_core.feedback.model import FeedbackKind
from courierx_core.feedback.service import receive
from courierx_core.ports.driver import Runtime
from courierx_core.ports.feedback import Feedback
from courierx_core.ports.transport import Deferred, Envelope, Receipt
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

GIVEN = 300


@pytest.mark.parametrize(
    ("kind", "enough", "said"), [("bounced", 16, "5.3%) bounced"), ("complained", 3, "1.0%) were complained")]
)
def test_it_pauses_once_and_a_resume_is_a_persons_word(
    assemble: Callable[..., Platform], kind: FeedbackKind, enough: int, said: str
) -> None:
    def script(envelope: Envelope) -> Receipt | None:
        late = envelope.rcpt_to.startswith("late")
        return Deferred(envelope.id, "450 4.2.1 busy", retry_after=3600) if late else None

    transport = MockTransport("smtp", MockTransport.Config(), Runtime(), script=script)
    platform = assemble(transport)
    courier, tenant_id = platform.courier, platform.tenant_id
    platform.people(*(f"p{n}@x.example" for n in range(GIVEN)), *(f"late{n}@x.example" for n in range(5)))
    campaign_id = platform.start()
    with platform.worker():
        platform.wait(campaign_id, lambda r: r.states == {"accepted": GIVEN, "deferred": 5})
    with courier.store.begin(tenant_id, write=False) as unit:
        rows = unit.deliveries.list(state="accepted", limit=1000)

    def hear(first: int, last: int) -> None:
        now = courier.runtime.now()
        told = [
            Feedback(kind=kind, at=now, send_id=courier.tokens.mint("send", tenant_id, row.id))
            for row in rows[first:last]
        ]
        assert len(receive(courier, "smtp", told).events) == last - first

    hear(0, enough - 1)
    assert reputation.watch(courier, tenant_id) == 0
    hear(enough - 1, enough)
    assert reputation.watch(courier, tenant_id) == 1
    assert reputation.watch(courier, tenant_id) == 0
    report = platform.report(campaign_id)
    assert report.status == "paused"
    assert said in report.pause_reason
    campaigns.resume(courier, tenant_id, campaign_id)
    assert reputation.watch(courier, tenant_id) == 0
    hear(enough, 2 * enough + 1)
    assert reputation.watch(courier, tenant_id) == 1
