"""What every limiter must keep: subclass, give `limiter`, and run pytest."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courierx_core.ports.limiter import Limiter, Rate

_keys = count(1)

rates = st.builds(Rate, st.integers(1, 5000), st.integers(1, 90), st.sampled_from([0, 1, 7, 400]))
# Each limiter's own subclass runs the suite, often several in one run of pytest.
inherited = settings(suppress_health_check=[HealthCheck.differing_executors])
steps = st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 1000)), min_size=1, max_size=30)


class Clock:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class LimiterContract(ABC):
    """`limiter(clock)` makes a limiter that tells the time by `clock`, or only ever sees it move."""

    @abstractmethod
    def limiter(self, clock: Clock) -> Limiter[Any]: ...

    def clock(self) -> Clock:
        """Make the clock; one that tells real time sleeps in `advance`."""
        return Clock()

    @inherited
    @given(rate=rates, steps=steps)
    def test_never_more_than_the_rate_in_any_window(self, rate: Rate, steps: list[tuple[float, int]]) -> None:
        """In every window: at most the burst and what the rate gives in its length."""
        clock = self.clock()
        limiter, key = self.limiter(clock), fresh_key()
        taken: list[tuple[float, int]] = []
        for seconds, want in steps:
            clock.advance(seconds)
            grant = limiter.take(key, want, rate)
            assert 0 <= grant.granted <= want, "granted is from 0 to what was wanted"
            taken.append((clock.monotonic(), grant.granted))
        for first, (start, _) in enumerate(taken):
            total = 0
            for end, granted in taken[first:]:
                total += granted
                most = rate.at_once + rate.count * (end - start) / rate.seconds
                assert total <= most + 1e-3, f"{rate} gives at most {most} in {end - start} s"

    @inherited
    @given(rate=rates, steps=steps)
    def test_a_refusal_costs_nothing(self, rate: Rate, steps: list[tuple[float, int]]) -> None:
        """A key that is asked again and again while it is over gives what another gives that is not."""
        clock = self.clock()
        limiter, calm, eager = self.limiter(clock), fresh_key(), fresh_key()
        for seconds, want in steps:
            clock.advance(seconds)
            one = limiter.take(calm, want, rate)
            other = limiter.take(eager, want, rate)
            assert one.granted == other.granted, "a refusal costs nothing: who asks more gets no less"
            for _ in range(3):
                if other.granted < want:
                    granted = limiter.take(eager, want, rate).granted
                    assert granted == 0, (
                        "less than was wanted is all there is: at the same time there is no more"
                    )

    @inherited
    @given(rate=rates)
    def test_retry_after_is_when_the_next_is_granted(self, rate: Rate) -> None:
        clock = self.clock()
        limiter, key = self.limiter(clock), fresh_key()
        grant = limiter.take(key, rate.at_once + 1, rate)
        assert grant.granted == rate.at_once, "a key that nobody asked for has its whole burst"
        assert 0 < grant.retry_after <= rate.seconds / rate.count + 1e-6, (
            "retry_after is when one more is there"
        )
        clock.advance(grant.retry_after + 1e-6)
        assert limiter.take(key, 1, rate).granted == 1, "after retry_after seconds one is granted"

    @inherited
    @given(rate=rates)
    def test_an_idle_key_gets_its_burst_and_no_more(self, rate: Rate) -> None:
        clock = self.clock()
        limiter, key = self.limiter(clock), fresh_key()
        for _ in range(3):
            assert limiter.take(key, 10_000, rate).granted == rate.at_once, (
                "an idle key gets its burst, no more"
            )
            clock.advance(rate.seconds * (rate.at_once / rate.count) + 0.001)

    def test_a_burst_of_its_own(self) -> None:
        """So many a minute, and all of them at once if nobody asked before."""
        clock = self.clock()
        limiter, key, rate = self.limiter(clock), fresh_key(), Rate(6, 6, burst=6)
        assert [limiter.take(key, 1, rate).granted for _ in range(7)] == [1] * 6 + [0]
        assert 0 < limiter.take(key, 1, rate).retry_after <= 1
        clock.advance(1.001)
        assert [limiter.take(key, 1, rate).granted for _ in range(2)] == [1, 0]

    def test_keys_do_not_share(self) -> None:
        limiter, rate = self.limiter(self.clock()), Rate(10)
        one, other = fresh_key(), fresh_key()
        assert limiter.take(one, 100, rate).granted == 10
        assert limiter.take(other, 100, rate).granted == 10, "each key has a rate of its own"
        assert limiter.take(one, 1, rate).granted == 0

    def test_a_changed_rate_holds_at_once(self) -> None:
        clock = self.clock()
        limiter, key = self.limiter(clock), fresh_key()
        assert limiter.take(key, 100, Rate(100)).granted == 100
        assert limiter.take(key, 100, Rate(1)).granted == 0
        clock.advance(3.0)
        assert limiter.take(key, 100, Rate(5)).granted <= 5

    def test_want_is_at_least_one(self) -> None:
        with pytest.raises(ValueError, match="want"):
            self.limiter(self.clock()).take(fresh_key(), 0, Rate(1))

    def test_threads_share_one_rate(self) -> None:
        limiter, key, rate = self.limiter(self.clock()), fresh_key(), Rate(500)
        granted: list[int] = []

        def take() -> None:
            granted.extend(limiter.take(key, 3, rate).granted for _ in range(200))

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # A clock that stands still grants the burst exactly; one that runs, what it adds meanwhile.
        assert sum(granted) >= 500, "threads that share a key get its burst between them"
        assert sum(granted) <= 500 + self.slack_per_second() * rate.count, "threads share one rate"

    def slack_per_second(self) -> int:
        """Seconds that the clock may move while threads run; 0 for a clock that stands still."""
        return 0


def fresh_key() -> str:
    return f"contract-{next(_keys)}"
