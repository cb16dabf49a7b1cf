"""Turns (SECURITY S21): a tenant at full load leaves the others 80 % of what is theirs.

Told by the order in which the far side got the mail, so that no clock decides: how many of the busy tenant's
go out between two of another's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from courierx_core.delivery.claim import SMALL_ITEMS
from courierx_core.delivery.shares import broadcast_share
from courierx_core.mail.address import Address
from courierx_core.messages.new import NewMessage
from courierx_core.messages.transactional import announce, prepare, store
from courierx_core.ports.driver import Runtime
from courierx_core.ports.transport import Envelope
from courierx_core.work import SEND_ITEM_MAX
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import WAIT_SECONDS, Platform

BUSY, QUIET = "busy.example", "quiet.example"
PER_SECOND = 200
LEFT = 0.8
"""The part of its own that every other tenant keeps."""


class FarSide:
    """A mock transport that keeps what it got, in order."""

    def __init__(self, per_second: int = 0, latency_ms: float = 0.0) -> None:
        self.handed: list[str] = []
        config = MockTransport.Config(per_second=per_second, latency_ms=latency_ms)
        self.transport = MockTransport("smtp", config, Runtime(), script=self._take)

    def _take(self, envelope: Envelope) -> None:
        self.handed.append(envelope.rcpt_to)

    def got(self, domain: str) -> int:
        return len(self._places(domain))

    def first(self, domain: str) -> int:
        """Count what went before the first to a domain."""
        return self._places(domain)[0]

    def between(self, domain: str) -> int:
        """Count what went elsewhere between the first and the last to a domain."""
        places = self._places(domain)
        return places[-1] - places[0] + 1 - len(places)

    def wait_for(self, domain: str, count: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while self.got(domain) < count:
            assert time.monotonic() < deadline, f"{self.got(domain)} of {count} went to {domain}"
            time.sleep(0.01)

    def _places(self, domain: str) -> list[int]:
        return [n for n, address in enumerate(self.handed) if address.endswith(f"@{domain}")]


def write_to(platform: Platform, addresses: Sequence[str]) -> None:
    """Send a single message to each, in one transaction: they are there all at once, as busy as it may be."""
    courier, sender = platform.courier, Address("", "post@acme.example")
    with courier.store.begin(platform.tenant_id) as unit:
        for address in addresses:
            new = NewMessage(to=(Address("", address),), sender=sender, subject="Reset", text="Here")
            store(unit, prepare(courier, unit, new))
    announce(courier)


def people(count: int, domain: str) -> list[str]:
    return [f"p{n}@{domain}" for n in range(count)]


def test_campaigns_leave_a_tenth_of_the_rate_to_single_messages(assemble: Callable[..., Platform]) -> None:
    far = FarSide(PER_SECOND)
    busy = assemble(far.transport)
    busy.people(*people(4000, BUSY))
    other = Platform(busy.courier, "Other")
    campaign_id = busy.start()
    with busy.worker():
        busy.wait(campaign_id, lambda report: report.states.get("accepted", 0) >= PER_SECOND)
        before = len(far.handed)
        write_to(other, people(60, QUIET))
        far.wait_for(QUIET, 60)
        assert far.got(BUSY) < 4000, "the campaign was over before anybody could be in its way"
    assert far.first(QUIET) - before <= 2 * PER_SECOND
    campaigns = broadcast_share(PER_SECOND)
    burst = campaigns
    assert far.between(QUIET) <= 60 * campaigns / (PER_SECOND - campaigns) / LEFT + burst


def test_a_flood_of_single_messages_is_no_queue_for_another_tenants(
    assemble: Callable[..., Platform],
) -> None:
    far = FarSide(per_second=50)
    busy = assemble(far.transport)
    other = Platform(busy.courier, "Other")
    write_to(busy, people(4 * SMALL_ITEMS, BUSY))
    with busy.worker():
        far.wait_for(BUSY, 1)
        write_to(other, people(10, QUIET))
        far.wait_for(QUIET, 10)
        ahead = far.first(QUIET)
    assert ahead <= 2 * SMALL_ITEMS, "more went first than the worker had leased"
    assert far.between(QUIET) <= 10 / LEFT + SMALL_ITEMS


def test_campaigns_of_two_tenants_go_out_by_turns(assemble: Callable[..., Platform]) -> None:
    far = FarSide(latency_ms=5)
    busy = assemble(far.transport)
    busy.people(*people(12 * SEND_ITEM_MAX, BUSY))
    other = Platform(busy.courier, "Other")
    other.people(*people(3 * SEND_ITEM_MAX, QUIET))
    first = busy.start()
    with busy.worker():
        busy.wait(first, lambda report: report.states.get("accepted", 0) > 0)
        other.finish(other.start())
        assert far.got(BUSY) < 12 * SEND_ITEM_MAX, "the campaign was over before anybody could be in its way"
    assert far.between(QUIET) <= 3 * SEND_ITEM_MAX / LEFT
