"""Rates of recipients' domains: who may go now, who has to wait and how long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from courierx_core.delivery.domain_rates import WAIT_MAX, DomainRates, domain_of
from courierx_core.messages.model import Recipient
from courierx_core.meter import Meters
from courierx_core.ports.limiter import Rate

RATES = {"big.example": Rate(5), "slow.example": Rate(30, 60)}
DOMAINS = st.sampled_from(("big.example", "slow.example", "free.example"))


class Clock:
    now = 1000.0


def of(clock: Clock) -> DomainRates:
    meters = Meters()
    limiter = SimpleNamespace(take=lambda key, want, rate: meters.take(key, clock.now, want, rate))
    policy, runtime = SimpleNamespace(domain_rates=RATES), SimpleNamespace(monotonic=lambda: clock.now)
    courier: Any = SimpleNamespace(limiter=limiter, policy=policy, runtime=runtime)
    return DomainRates(courier)


def people(domains: list[str]) -> list[Recipient]:
    return [Recipient(n, 1, f"p{n}@{domain}", "queued") for n, domain in enumerate(domains)]


@given(st.lists(st.lists(DOMAINS, max_size=60), max_size=6))
def test_nobody_is_lost_or_let_go_past_the_rate(batches: list[list[str]]) -> None:
    clock = Clock()
    rates = of(clock)
    gone = dict.fromkeys(RATES, 0)
    for domains in batches:
        ahead = people(domains)
        going, waiting = rates.split("smtp", "transactional", ahead)
        assert sorted([*going, *(each for each, _ in waiting)], key=lambda each: each.id) == ahead
        assert [each.id for each in going] == sorted(each.id for each in going)
        for each, seconds in waiting:
            assert domain_of(each) in RATES
            assert 0 < seconds <= WAIT_MAX
        for each in going:
            if domain_of(each) in RATES:
                gone[domain_of(each)] += 1
        clock.now += 1
    assert gone["big.example"] <= 5 * max(1, len(batches))
    assert gone["slow.example"] <= max(1, len(batches))


def test_turns_come_one_after_another() -> None:
    going, waiting = of(Clock()).split("smtp", "transactional", people(["big.example"] * 1005))
    waits = [seconds for _, seconds in waiting]
    assert len(going) == 5
    assert waits == sorted(waits)
    assert 200 <= waits[-1] <= 210
    assert len(set(waits)) <= 21


def test_what_was_let_go_and_held_back_is_not_asked_for_again() -> None:
    rates = of(Clock())
    going, _ = rates.split("smtp", "transactional", people(["big.example"] * 5))
    rates.spare("smtp", going[2:])
    again, _ = rates.split("smtp", "transactional", people(["big.example"] * 5))
    assert len(again) == 3


def test_each_transport_has_the_rate_by_itself_and_campaigns_most_of_it() -> None:
    rates, many = of(Clock()), people(["big.example"] * 9)
    assert [len(rates.split(name, "broadcast", many)[0]) for name in ("eu", "us", "eu")] == [4, 4, 0]
    assert len(rates.split("eu", "transactional", many)[0]) == 1
