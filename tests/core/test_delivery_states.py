"""Deliveries: transitions are total, monotone, and blind to the order and number of reports."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from courierx_core.delivery.model import RANK, STATES, evidence, moved

states = st.sampled_from(STATES)
reports = st.sampled_from(["accepted", "delivered", "bounced"])


@given(states, states)
def test_evidence_only_raises(state: str, reported: str) -> None:
    after = evidence(state, reported)
    assert after in STATES
    if after != state:
        assert RANK[after] > RANK[state]


@given(states, st.lists(reports, max_size=12), st.randoms())
def test_reports_end_the_same_in_any_order_and_number(state: str, told: list[str], random: object) -> None:
    def end(order: list[str]) -> str:
        now = state
        for report in order:
            now = evidence(now, report)
        return now

    shuffled = told * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert end(shuffled) == end(told)


@given(states)
def test_a_late_delivered_never_undoes_a_bounce(state: str) -> None:
    assert evidence(evidence(state, "bounced"), "delivered") == evidence(state, "bounced")


def test_closed_states_without_a_rank_ignore_reports() -> None:
    for state in ("rejected", "failed", "suppressed", "blocked", "cancelled"):
        assert evidence(state, "delivered") == state


@given(st.lists(st.tuples(states, states), max_size=30), st.integers(1, 50))
def test_moving_counts_keeps_their_sum(moves: list[tuple[str, str]], n: int) -> None:
    counts: dict[str, int] = {"queued": 100}
    for before, after in moves:
        counts = moved(counts, before, after, n)
    assert sum(counts.values()) == 100
