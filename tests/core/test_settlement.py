"""The cases of an outcome that meets a row which is not as it was read (both ledgers decide alike)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.delivery.model import OPEN, STATES
from courierx_core.delivery.settlement import Settlement, settle
from courierx_core.ports.ledger import Outcome


def outcome(state: Any, attempt: int = 1, before: Any = "queued") -> Outcome:
    return Outcome(7, 1, 1, state, attempt, before)


CASES = {
    # row's state, attempt; outcome; item held -> applied, attempt, changes of the message's counters
    "as read": ("queued", 0, outcome("accepted"), True, True, 1, {}),
    "as read, item lost": ("queued", 0, outcome("bounced"), False, True, 1, {"queued": -1, "bounced": 1}),
    "put back": ("queued", 0, outcome("queued"), True, True, 1, {}),
    "late: the sweep was first": ("uncertain", 1, outcome("accepted"), False, True, 1, {"uncertain": -1, "accepted": 1}),
    "late: no answer either": ("uncertain", 1, outcome("uncertain"), False, False, 1, {}),
    "late: a deferral": ("uncertain", 1, outcome("deferred"), False, True, 1, {"uncertain": -1, "deferred": 1}),
    "late: to an item held again": ("uncertain", 1, outcome("bounced"), True, True, 1, {"uncertain": -1, "bounced": 1}),
    "late: of an older attempt": ("uncertain", 2, outcome("bounced"), False, False, 2, {}),
    "late: of an older attempt, accepted": ("uncertain", 2, outcome("accepted"), False, True, 2, {"uncertain": -1, "accepted": 1}),
    "queued again, then accepted": ("queued", 1, outcome("accepted"), False, True, 1, {"queued": -1, "accepted": 1}),
    "queued again, then bounced": ("queued", 1, outcome("bounced"), False, False, 1, {}),
    "read as another state": ("deferred", 0, outcome("accepted"), True, True, 1, {"deferred": -1, "queued": 1}),
    "evidence came first": ("delivered", 0, outcome("accepted"), True, False, 1, {"accepted": -1, "queued": 1}),
    "evidence came first, item lost": ("delivered", 0, outcome("accepted"), False, False, 1, {}),
    "a repeat": ("accepted", 1, outcome("accepted"), True, False, 1, {}),
    "a repeated deferral": ("deferred", 1, outcome("deferred"), True, False, 1, {}),
    "a repeated loss": ("uncertain", 1, outcome("uncertain"), True, False, 1, {}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "attempt", "told", "held", "applied", "after", "changes"), CASES.values(), ids=CASES.keys()
)
def test_a_case(
    state: Any, attempt: int, told: Outcome, held: bool, applied: bool, after: int, changes: dict[str, int]
) -> None:
    assert settle(state, attempt, told, held=held) == Settlement(applied, after, changes)


@given(
    state=st.sampled_from(STATES),
    attempt=st.integers(0, 3),
    told=st.sampled_from(STATES),
    at=st.integers(1, 3),
    before=st.sampled_from(sorted(OPEN)),
    held=st.booleans(),
)
def test_counts_follow_the_row_and_a_repeat_is_nothing(
    state: Any, attempt: int, told: Any, at: int, before: Any, held: bool
) -> None:
    answer = settle(state, attempt, outcome(told, at, before), held=held)
    after = told if answer.applied else state
    counted = held and attempt < at  # what the item itself says
    moves = {before: -1, told: 1} if counted and before != told else {}
    truly = {state: -1, after: 1} if after != state else {}
    for kind in STATES:
        assert answer.changes.get(kind, 0) + moves.get(kind, 0) == truly.get(kind, 0)
    again = settle(after, answer.attempt, outcome(told, at, before), held=held)
    assert (again.applied, again.changes) == (False, {})
    assert answer.attempt == max(attempt, at)
