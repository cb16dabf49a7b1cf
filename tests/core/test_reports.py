"""Rates and classes of a report, from what it counted."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from courierx_core.campaigns.report import bounce_classes, rates
from courierx_core.campaigns.reputation import COMPLAINTS_MIN, GIVEN_MIN, verdict
from courierx_core.campaigns.service import Report
from courierx_core.delivery.model import STATES
from courierx_core.ports.reports import Reason, Tally


def report(states: dict[str, int], **events: Tally) -> Report:
    given: dict[str, Any] = {"started_at": None, "completed_at": None, "reasons": (), "resent": 0}
    return Report(
        campaign_id=1,
        status="completed",
        pause_reason="",
        audience=sum(states.values()),
        states=states,
        events=events,  # type: ignore[arg-type]
        **given,
    )


def test_rates_are_of_what_was_handed_over() -> None:
    told = report(
        {"delivered": 90, "bounced": 10, "suppressed": 50, "failed": 3},
        opened=Tally(200, 60, 45),
        complained=Tally(1, 1, 1),
    )
    assert rates(told) == {
        "delivered": 0.9, "bounced": 0.1, "complained": 0.01, "opened": 0.45, "clicked": 0.0,
        "unsubscribed": 0.0,
    }  # fmt: skip


def test_before_anything_was_handed_over_there_are_none() -> None:
    assert rates(report({"queued": 5, "suppressed": 5}, opened=Tally(1, 1, 1))) == {}


@given(st.dictionaries(st.sampled_from(STATES), st.integers(0, 10**9)))
def test_the_parts_of_one_whole_are_never_more_than_it(states: dict[str, int]) -> None:
    found = rates(report(states))
    assert sum(found.get(name, 0.0) for name in ("delivered", "bounced")) <= 1.000001  # type: ignore[call-overload]


def test_bounces_have_the_class_that_was_told_or_that_the_words_have() -> None:
    reasons = [
        Reason("bounced", "5.1.1", "hard", 7, "550 5.1.1 user unknown"),
        Reason("bounced", "5.1.1", "", 3, "550 5.1.1 user unknown"),
        Reason("bounced", "5.2.2", "", 2, "552 5.2.2 mailbox full"),
        Reason("bounced", "5.7.1", "", 4, "550 5.7.1 listed by spamhaus"),
        Reason("rejected", "5.6.0", "", 9, "550 5.6.0 bad content"),
    ]
    assert bounce_classes(reasons) == {"hard": 10, "policy": 4, "soft": 2}


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**6))
def test_too_much_that_comes_back_pauses_and_only_that(given_: int, bounced: int, complained: int) -> None:
    why = verdict(given_, bounced, complained)
    many = given_ >= GIVEN_MIN
    assert ("bounced" in why) == (many and bounced > given_ * 0.05)
    too_bad = complained >= COMPLAINTS_MIN and complained > given_ * 0.001
    assert bool(why) == (many and (bounced > given_ * 0.05 or too_bad))
