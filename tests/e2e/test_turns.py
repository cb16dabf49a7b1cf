"""Turns: one tenant's campaign never makes another tenant's single message wait."""

from __future__ import annotations

from collections.abc import Callable

from courierx_core.mail.address import Address
from courierx_core.messages.new import NewMessage
from courierx_core.messages.transactional import send
from courierx_core.ports.driver import Runtime
from courierx_core.ports.transport import Envelope
from courierx_core.tenants.model import Tenant
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform

PER_SECOND = 40
RESET = "ann@reset.example"


def test_a_single_message_goes_before_what_is_left_of_another_tenants_campaign(
    assemble: Callable[..., Platform],
) -> None:
    handed: list[str] = []
    """What the far side got, in its order."""

    def script(envelope: Envelope) -> None:
        handed.append(envelope.rcpt_to)

    transport = MockTransport("smtp", MockTransport.Config(per_second=PER_SECOND), Runtime(), script=script)
    platform = assemble(transport)
    platform.people(*(f"p{n}@x.example" for n in range(2000)))
    with platform.courier.store.platform() as unit:
        other = unit.tenants.add(Tenant(name="Other", contact_email="o@other.example")).id
    campaign_id = platform.start()
    reset = NewMessage(
        to=(Address("", RESET),), sender=Address("", "post@other.example"), subject="Reset", text="Here"
    )
    with platform.worker():
        platform.wait(campaign_id, lambda r: r.states.get("accepted", 0) >= PER_SECOND)
        before = len(handed)
        send(platform.courier, other, reset)
        platform.wait(campaign_id, lambda _: RESET in handed)
    between = handed.index(RESET) - before
    # it finds room in the tenth of the rate that campaigns leave alone
    assert between <= 2 * PER_SECOND, f"{between} messages of the campaign went first"
    assert len(handed) < 1000, "the campaign was over before anybody could be in its way"
