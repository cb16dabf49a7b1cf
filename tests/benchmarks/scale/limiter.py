"""The Redis limiter, asked by several processes as fast as they can: what it grants beside what is due.

As a program it is one of them: `python -m tests.benchmarks.scale.limiter URL SECONDS`.
"""

from __future__ import annotations

import json
import sys
import time

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.limiter import Rate
from courierx_redis.limiter import RedisLimiter
from tests.benchmarks.figures import Part, medians
from tests.benchmarks.scale.crew import crew
from tests.valkey import private_redis

PROCESSES = 4
RATE = Rate(2_000)
"""With a second's worth at once: a process that had to wait for a processor finds its permits still there."""
WANT = 20


def compare(seconds: float, rounds: int) -> Part:
    """Return by how much the permits granted differ from those due, from the first grant to the last."""
    found = []
    for _ in range(rounds):
        with private_redis() as redis, crew("limiter", PROCESSES, redis.url, str(seconds)) as answers:
            told = answers()
        granted = sum(each["granted"] for each in told)
        took = max(each["last"] for each in told) - min(each["first"] for each in told)
        due = RATE.at_once + took * RATE.count / RATE.seconds
        found.append({"granted": granted, "off_percent": abs(granted / due - 1) * 100})
    return {f"limiter, {PROCESSES} processes": medians(found)}


def ask(url: str, seconds: float) -> dict[str, float]:
    limiter = RedisLimiter("redis", RedisLimiter.Config(url=Secret(url)), Runtime())
    granted, first, last = 0, 0.0, 0.0
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        grant = limiter.take("bench", WANT, RATE)
        if grant.granted:
            last = (asked + time.monotonic()) / 2
            first = first or last
            granted += grant.granted
        elif asked > deadline:  # to the last permit: nothing that was due is left
            break
        else:
            time.sleep(grant.retry_after)
    limiter.close()
    return {"granted": granted, "first": first, "last": last}


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(ask(sys.argv[1], float(sys.argv[2]))), flush=True)
