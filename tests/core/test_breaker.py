"""The breaker stops a campaign that mostly fails, and only then."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from courierx_core.delivery.breaker import ATTEMPTS_MIN, Breaker
from courierx_core.ports.ledger import Outcome


def outcomes(state: str, n: int, *, status: str = "", reason: str = "") -> list[Outcome]:
    return [
        Outcome(i, 1, 1, state, 1, status=status, reason=reason)  # type: ignore[arg-type]
        for i in range(n)
    ]


def test_it_says_the_commonest_reasons() -> None:
    breaker = Breaker()
    assert breaker.note(outcomes("accepted", 180)) == ""
    why = breaker.note(outcomes("rejected", 15, reason="spam") + outcomes("failed", 5, reason="no name"))
    assert why == "20 of the last 200 failed or were rejected: 15x spam; 5x no name"


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_it_trips_past_a_twentieth_failed_or_a_tenth_hard(accepted: int, failed: int, hard: int) -> None:
    why = Breaker().note(
        outcomes("accepted", accepted)
        + outcomes("failed", failed)
        + outcomes("bounced", hard, status="5.1.1")
    )
    total = accepted + failed + hard
    assert bool(why) == (total >= ATTEMPTS_MIN and (failed > total * 0.05 or hard > total * 0.1))


def test_full_mailboxes_and_people_who_are_suppressed_do_not_count() -> None:
    breaker = Breaker()
    assert breaker.note(outcomes("bounced", 300, status="5.2.2")) == ""
    assert Breaker().note(outcomes("suppressed", 300)) == ""
