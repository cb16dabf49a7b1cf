"""The Redis limiter keeps its contract, is exact across processes, and never lets go of the rate."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from courierx_core.config import load
from courierx_core.errors import ConfigError
from courierx_core.meter import NANOSECONDS, Level, take
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.limiter import Rate
from courierx_core.testing import LimiterContract
from courierx_core.testing.limiter import Clock, fresh_key
from courierx_redis.connection import connect, disconnect, parse
from courierx_redis.limiter import RedisLimiter, RedisLimiterConfig
from tests.valkey import RedisServer, private_redis, sentinel_for


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with private_redis() as made:
        yield made


class TimedLimiter(RedisLimiter):
    """Tells the script the time instead of having it ask the server."""

    def _time(self) -> tuple[int, ...]:
        return divmod(int(self.runtime.monotonic() * NANOSECONDS), NANOSECONDS)


class TestRedisLimiter(LimiterContract):
    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> Iterator[None]:
        self.url = Secret(server.url)
        self.made: list[RedisLimiter] = []
        yield
        for limiter in self.made:
            limiter.close()

    def limiter(self, clock: Clock) -> RedisLimiter:
        if not self.made:
            self.made.append(TimedLimiter("redis", RedisLimiterConfig(url=self.url), Runtime()))
        self.made[0].runtime = Runtime(monotonic=clock.monotonic)
        return self.made[0]


@given(
    st.lists(
        st.tuples(
            st.floats(-2.0, 30.0),
            st.integers(1, 1000),
            st.builds(Rate, st.integers(1, 5000), st.integers(1, 90), st.sampled_from([0, 1, 7, 400])),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_the_script_counts_as_the_meter_does(
    server: RedisServer, steps: list[tuple[float, int, Rate]]
) -> None:
    """Whatever the rate changes to, and though the clock is set back."""
    clock = Clock()
    limiter = TimedLimiter(
        "redis", RedisLimiterConfig(url=Secret(server.url)), Runtime(monotonic=clock.monotonic)
    )
    key = fresh_key()
    level: Level | None = None
    try:
        for seconds, want, rate in steps:
            clock.advance(seconds)
            now = int(clock.monotonic() * NANOSECONDS)
            level, expected = take(level, now, want, rate)
            grant = limiter.take(key, want, rate)
            assert grant.granted == expected.granted
            assert grant.retry_after == pytest.approx(expected.retry_after, rel=1e-9)
    finally:
        limiter.close()


PROCESSES, RATE, SECONDS = 4, Rate(2000), 3.0


def test_four_processes_get_one_rate_to_one_percent(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each asks for all there is, all the time, so whatever is granted above or below the rate shows."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))  # where its processes find this module
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(PROCESSES)
    with context.Pool(PROCESSES, initializer=_given, initargs=(gate,)) as pool:
        taken = [n for each in pool.map(_take_all, [server.url] * PROCESSES, chunksize=1) for n in each]
    granted = sum(count for _, _, count in taken)
    # The first grant came between its call and its answer, and the last call took all there was by then.
    longest = max(told for _, told, _ in taken) - min(asked for asked, _, _ in taken)
    shortest = max(asked for asked, _, _ in taken) - min(told for _, told, _ in taken)
    assert shortest >= SECONDS * 0.9
    assert granted <= (RATE.at_once + RATE.count * longest) * 1.01
    assert granted >= (RATE.at_once + RATE.count * shortest) * 0.99


def _given(gate: Any) -> None:
    global _gate
    _gate = gate


def _take_all(url: str) -> list[tuple[float, float, int]]:
    """Take for SECONDS; return, by the server's clock, when each was asked for and granted, and how many."""
    limiter = RedisLimiter("redis", RedisLimiterConfig(url=Secret(url)), Runtime())
    taken = []
    with Redis.from_url(url) as clock:
        _gate.wait(60)
        asked = told = _seconds(clock)
        end = asked + SECONDS
        while told < end:
            grant = limiter.take("exact", RATE.count, RATE)
            asked, told = told, _seconds(clock)
            taken.append((asked, told, grant.granted))
    limiter.close()
    return taken


def _seconds(client: Any) -> float:
    seconds, microseconds = client.time()
    return float(seconds + microseconds / 1e6)


def test_without_redis_each_process_takes_its_share() -> None:
    clock = Clock()
    with private_redis() as server:
        config = RedisLimiterConfig(url=Secret(server.url), processes=4)
        limiter = TimedLimiter("redis", config, Runtime(monotonic=clock.monotonic))
        assert limiter.take("key", 1000, Rate(100)).granted == 100
        server.kill()
        granted = 0
        for _ in range(100):
            clock.advance(0.1)
            granted += limiter.take("key", 1000, Rate(100)).granted
        assert granted == pytest.approx(25 + 10 * 25, abs=3)
        assert [problem.code for problem in limiter.check()] == ["redis_away"]
        server.start()
        clock.advance(2.0)
        assert limiter.take("key", 1000, Rate(100)).granted == 100
        assert limiter.check() == []
        limiter.close()


def test_a_share_of_a_small_rate_is_still_a_limit() -> None:
    clock = Clock()
    config = RedisLimiterConfig(url=Secret("redis://127.0.0.1:1/0"), processes=8)
    limiter = RedisLimiter("redis", config, Runtime(monotonic=clock.monotonic))
    taken = [limiter.take("key", 5, Rate(1)).granted for _ in range(80) if clock.advance(1.0) is None]
    limiter.close()
    assert sum(taken) == 10


def test_a_server_that_was_away_is_not_asked_at_every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    limiter = RedisLimiter("redis", RedisLimiterConfig(), Runtime(monotonic=clock.monotonic))
    asked = []

    def away(**_: Any) -> None:
        asked.append(clock.now)
        raise RedisAway("no answer")

    monkeypatch.setattr(limiter, "_script", away)
    for _ in range(100):
        limiter.take("key", 1, Rate(10))
        clock.advance(0.05)
    limiter.close()
    assert len(asked) == 5


def test_keys_are_forgotten_once_they_are_paid_for(server: RedisServer) -> None:
    limiter = RedisLimiter("redis", RedisLimiterConfig(url=Secret(server.url)), Runtime())
    limiter.take("kept", 10, Rate(10))
    with server.client() as client:
        assert 0 < client.pttl("courierx:rate:kept") <= 61_001
    limiter.close()


def test_two_installs_share_a_server_under_two_prefixes(server: RedisServer) -> None:
    made = [
        RedisLimiter("redis", RedisLimiterConfig(url=Secret(server.url), prefix=prefix), Runtime())
        for prefix in ("one", "two")
    ]
    assert [limiter.take("theirs", 50, Rate(50, 60, 50)).granted for limiter in made] == [50, 50]
    for limiter in made:
        limiter.close()


def test_a_sentinel_names_the_server(server: RedisServer) -> None:
    with sentinel_for(server, "mail") as port:
        client = connect(Secret(f"redis+sentinel://:{server.password}@127.0.0.1:{port}/mail/3"))
        assert client.set("which", "this")
        disconnect(client)
    with server.client() as seen:
        assert seen.get("which") is None
        seen.select(3)
        assert seen.get("which") == b"this"


@pytest.mark.parametrize(
    ("url", "sentinels", "service"),
    [
        ("redis://localhost:6379/0", (), ""),
        ("rediss://user:p%40ss@cache.example:6380/2?ssl_ca_certs=/etc/ca.pem", (), ""),
        ("unix:///run/redis.sock?db=2", (), ""),
        ("redis+sentinel://:pw@a:1,b/mail", (("a", 1), ("b", 26379)), "mail"),
        ("rediss+sentinel://u:pw@a/mail/7?sentinel_password=s", (("a", 26379),), "mail"),
    ],
)
def test_addresses(url: str, sentinels: tuple[Any, ...], service: str) -> None:
    address = parse(Secret(url))
    assert (address.sentinels, address.service) == (sentinels, service)
    disconnect(connect(Secret(url)))


@pytest.mark.parametrize(
    "url",
    [
        "http://:geheim@host/0", "redis://:geheim@host/mail", "redis://:geheim@host:port/0", "geheim",
        "redis+sentinel://:geheim@host", "redis+sentinel://:geheim@a,,b/mail", "redis+tor://:geheim@a/mail",
        "redis+sentinel://:geheim@a/mail/x",
    ],
)  # fmt: skip
def test_a_wrong_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="REDIS_URL is not the address of a Redis") as caught:
        load(RedisLimiterConfig, table={}, environ={"REDIS_URL": url}, where="[limiter]")
    assert "geheim" not in str(caught.value)
