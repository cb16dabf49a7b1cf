"""Deliveries: transitions are total, monotone, and blind to the order and number of reports."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from courierx_core.delivery.model import OPEN, RANK, STATES, evidence, moved, requeue, settle

states = st.sampled_from(STATES)
reports = st.sampled_from(["accepted", "delivered", "bounced"])


@given(states, states)
def test_an_answer_settles_only_what_is_open_or_uncertain(state: str, answer: str) -> None:
    after = settle(state, answer)
    assert after == (answer if state in OPEN or state == "uncertain" else state)


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


@given(states)
def test_a_person_may_requeue_only_what_nobody_knows_or_what_failed(state: str) -> None:
    assert requeue(state) == ("queued" if state in ("uncertain", "failed") else state)


@given(st.lists(st.tuples(states, states), max_size=30), st.integers(1, 50))
def test_moving_counts_keeps_their_sum(moves: list[tuple[str, str]], n: int) -> None:
    counts: dict[str, int] = {"queued": 100}
    for before, after in moves:
        counts = moved(counts, before, after, n)
    assert sum(counts.values()) == 100
