"""Redis emptied, killed or away (R04): work goes on by the sweep, and nobody is lost or mailed twice."""

from __future__ import annotations

import random
import time

import pytest
from rq import Worker

from tests.faults.invariants import check_invariants
from tests.faults.site import Site, wait_for
from tests.valkey import RedisServer

pytestmark = pytest.mark.parametrize("setup", ["postgresql+rq"], indirect=True)


AWAY_SECONDS = 60


def listeners(redis: RedisServer) -> int:
    with redis.client() as client:
        return len(Worker.all(client))


def test_r04_a_redis_that_is_emptied_again_and_again(
    site: Site, redis: RedisServer, seed: int, chance: random.Random, thorough: bool
) -> None:
    recipients, flushes = (3000, 40) if thorough else (400, 6)
    workers = [site.worker(), site.worker()]
    wait_for("both workers listen", lambda: listeners(redis) == 2)
    audiences = {}
    for moment in sorted(chance.sample(range(recipients), flushes)):
        list_id, addresses = site.people(recipients // flushes)
        audiences[site.start(list_id)] = addresses
        with redis.client() as client:
            client.flushall()
        wait_for(f"{moment // 2} messages sent", lambda moment=moment: site.sent() >= moment // 2)
    site.finish(*audiences)
    check_invariants(site, audiences, uncertain=0)
    wait_for("both workers are registered anew", lambda: listeners(redis) == 2)
    for worker in workers:
        worker.stop()
    assert listeners(redis) == 0


@pytest.mark.parametrize("fault", ["kill", "suspend"])
def test_r04_a_redis_that_is_away(site: Site, redis: RedisServer, fault: str, thorough: bool) -> None:
    """Killed, or hanging with its connections open: campaigns start and end meanwhile."""
    workers = [site.worker(), site.worker()]
    wait_for("both workers listen", lambda: listeners(redis) == 2)
    list_id, addresses = site.people(200)
    first = site.start(list_id)
    wait_for("the first messages", lambda: site.sent() >= 20)
    getattr(redis, fault)()
    assert site.states(first).get("accepted", 0) < 200, "the fault came too late"
    away_until = time.monotonic() + (AWAY_SECONDS if thorough else 0)
    audiences = {first: addresses}
    while True:
        list_id, addresses = site.people(50)
        audiences[site.start(list_id)] = addresses
        site.finish(*audiences)
        if time.monotonic() > away_until:
            break
    {"kill": redis.start, "suspend": redis.resume}[fault]()
    wait_for("both workers listen again", lambda: listeners(redis) == 2)
    list_id, addresses = site.people(20)
    audiences[site.start(list_id)] = addresses
    site.finish(*audiences)
    check_invariants(site, audiences, uncertain=0)
    for worker in workers:
        worker.stop()
