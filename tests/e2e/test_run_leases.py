"""A run and its leases: one that it lost and claims again does not mix with the one it had, and what it
leaves is for the next worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from courierx_core.campaigns import service as campaigns
from courierx_core.delivery.claim import ITEMS_AHEAD
from courierx_core.delivery.crew import SendCrew
from courierx_core.delivery.run import SendRun
from courierx_core.ports.driver import Runtime
from courierx_core.work import SEND_ITEM_MAX
from courierx_core.worker import SendLane, Watch
from courierx_mock.transport import MockTransport
from tests.e2e.conftest import Platform


def test_an_item_swept_and_claimed_again_waits_for_the_answers_of_its_last_lease(
    assemble: Callable[..., Platform],
) -> None:
    platform = assemble(MockTransport("smtp", MockTransport.Config(), Runtime()))
    platform.people(*(f"p{n}@x.example" for n in range(20)))
    campaign_id = platform.start()
    courier = platform.courier
    ledger, crew = courier.store.ledger(), SendCrew(courier)
    (snapshot,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",))
    campaigns.snapshot(courier, snapshot)
    (first,) = ledger.claim("w", limit=1, lease_seconds=0.01, topics=("send",))
    run = SendRun(courier, ledger, crew, owner="w", stream="broadcast", stop=threading.Event())
    run._take([first])
    deadline = time.monotonic() + 30
    while not ledger.sweep() and time.monotonic() < deadline:
        time.sleep(0.01)
    (second,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("send",))
    assert (second.id, second.epoch > first.epoch) == (first.id, True)
    run._take([second])
    assert run._items[first.id].item.epoch == first.epoch
    with courier.store.begin(platform.tenant_id, write=False) as unit:
        given_back = unit.work.get(first.id)
    assert (given_back.state, given_back.cursor) == ("ready", first.cursor)
    crew.close()
    ledger.close()
    with platform.worker():
        assert platform.finish(campaign_id).states == {"accepted": 20}


@pytest.mark.parametrize(("items", "woken"), [(1, 0), (ITEMS_AHEAD, 1), (ITEMS_AHEAD + 1, 1)])
def test_who_leaves_work_wakes_the_next_worker(
    assemble: Callable[..., Platform], monkeypatch: pytest.MonkeyPatch, items: int, woken: int
) -> None:
    """A broker's notification may wake one worker of many."""
    platform = assemble(MockTransport("smtp", MockTransport.Config(), Runtime()))
    platform.people(*(f"p{n}@x.example" for n in range((items - 1) * SEND_ITEM_MAX + 1)))
    platform.start()
    courier, stop = platform.courier, threading.Event()
    ledger = courier.store.ledger()
    (snapshot,) = ledger.claim("w", limit=1, lease_seconds=60, topics=("snapshot",))
    campaigns.snapshot(courier, snapshot)
    told: list[str] = []
    monkeypatch.setattr(courier.queue, "notify", lambda topic: told.append(topic) or "id")
    stop.set()
    lane = SendLane(courier, "w", stop, Watch(courier, "w"), "broadcast")
    assert lane.work(ledger)
    lane.close()
    ledger.close()
    assert told == ["broadcast"] * woken
