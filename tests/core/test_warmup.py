"""Warm-up: how a day follows another, and what counts against a transport."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.delivery.model import DeliveryState
from courierx_core.delivery.warmups import objected
from courierx_core.ports.ledger import Outcome
from courierx_core.transports.model import WarmDay
from courierx_core.transports.warmup import ANSWERS_MIN, Warmup

DAY = date(2026, 3, 1)
POLICIES = st.builds(
    lambda start, more, growth, hold_at: Warmup(
        start=start, full=start + more, growth=growth, hold_at=hold_at
    ),
    st.integers(1, 500),
    st.integers(0, 10_000),
    st.integers(1, 1000),
    st.integers(1, 100),
)


@given(POLICIES, st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 100)), max_size=40))
def test_a_cap_stays_within_its_bounds_and_grows_only_after_a_good_day_that_was_used(
    policy: Warmup, days: list[tuple[int, int]]
) -> None:
    last = policy.today(None, DAY)
    assert last.allowed == policy.start
    for n, (wanted, bad) in enumerate(days, 1):
        used = min(wanted, policy.room(last, "transactional"))
        last = msgspec.structs.replace(last, used=used, answered=used, objected=used * bad // 100)
        today = policy.today(last, DAY + timedelta(days=n))
        assert policy.start <= today.allowed <= policy.full
        assert (today.used, today.answered, today.objected) == (0, 0, 0)
        if policy.holds(last):
            assert policy.room(last, "transactional") == 0
            assert today.allowed < last.allowed or today.allowed == policy.start
        elif last.used >= last.allowed // 2:
            assert today.allowed > last.allowed or today.allowed == policy.full
        else:
            assert today.allowed == last.allowed
        last = today


def test_days_at_the_cap_lead_to_the_full_rate() -> None:
    policy, last, caps = Warmup(start=50, full=1000, growth=50), None, []
    for n in range(10):
        day = policy.today(last, DAY + timedelta(days=n))
        caps.append(day.allowed)
        last = msgspec.structs.replace(day, used=policy.room(day, "broadcast"), answered=day.allowed)
    assert caps == [50, 75, 112, 168, 252, 378, 567, 850, 1000, 1000]
    assert policy.free(day)


def test_days_without_mail_neither_grow_it_nor_lose_it() -> None:
    policy = Warmup()
    used = WarmDay(day=DAY, allowed=100, used=100)
    assert policy.today(used, DAY + timedelta(days=9)).allowed == 150
    assert policy.today(msgspec.structs.replace(used, used=0), DAY + timedelta(days=9)).allowed == 100


def test_a_clock_that_is_set_back_begins_no_day_anew() -> None:
    used = WarmDay(day=DAY, allowed=100, used=100)
    assert Warmup().today(used, DAY - timedelta(days=1)) == used


def test_few_answers_say_nothing() -> None:
    policy, few = Warmup(), WarmDay(day=DAY, allowed=50, answered=ANSWERS_MIN - 1, objected=ANSWERS_MIN - 1)
    assert not policy.holds(few)
    assert policy.holds(msgspec.structs.replace(few, answered=ANSWERS_MIN))


def test_campaigns_leave_some_of_a_day_to_single_messages() -> None:
    policy, day = Warmup(), WarmDay(day=DAY, allowed=50, used=45)
    assert (policy.room(day, "broadcast"), policy.room(day, "transactional")) == (0, 5)


def test_full_is_not_less_than_start() -> None:
    with pytest.raises(ValueError, match="full is 10; it takes start, 50, or more"):
        Warmup(full=10)


@pytest.mark.parametrize(
    ("state", "status", "reply", "against"),
    [
        ("accepted", None, "250 ok", False),
        ("deferred", "4.7.1", "451 4.7.1 later", True),
        ("deferred", None, "451 later", True),
        ("deferred", "4.2.2", "452 4.2.2 full", False),
        ("queued", "4.3.2", "421 4.3.2 busy", True),
        ("queued", None, "", False),
        ("queued", None, "cannot connect to eu.example", False),
        ("bounced", "5.1.1", "550 5.1.1 nobody", False),
        ("bounced", "5.7.1", "550 5.7.1 blocked", True),
        ("uncertain", None, "", False),
    ],
)
def test_what_counts_against_a_transport(
    state: DeliveryState, status: str | None, reply: str, against: bool
) -> None:
    outcome = Outcome(1, 1, 1, state, 1, "queued", 1, "", status, "", reply, "", "eu")
    assert objected(outcome) is against
