"""What one outcome does to its row and to the counters, beyond the common case.

The common case (the row is as it was read, and the item is held) is one UPDATE. This is the rest: late
answers, evidence that came first, rows a person has queued again, a window that is repeated. Whoever
moves a row counts its true move; an item's counts say `before -> state` for each of its outcomes, so the
difference goes to the message's counters. Pure, so that it can be tested by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from courierx_core.delivery.model import OPEN, DeliveryState, moved
from courierx_core.ports.ledger import Outcome


class Settlement(msgspec.Struct, frozen=True):
    """`applied`: write the outcome into the row. `attempt`: the row's attempt afterwards. `changes`: what
    to add to the message's own counters."""

    applied: bool
    attempt: int
    changes: Mapping[str, int]


def settle(state: DeliveryState, attempt: int, outcome: Outcome, *, held: bool) -> Settlement:
    """Decide on a row in `state` with `attempt`. `held`: the caller holds the outcome's item."""
    resolved = max(attempt, outcome.attempt)
    # a late answer, even to an item that is held again, belongs to a lease that was lost
    counted = held and attempt < outcome.attempt
    if _takes(state, attempt, outcome):
        return Settlement(True, resolved, moved({}, state, outcome.before if counted else outcome.state))
    if counted:
        # somebody has moved the row and counted that, so what the item says of it is taken back; from
        # now on the row is resolved, and a repeat takes nothing back a second time
        return Settlement(False, resolved, moved({}, outcome.state, outcome.before))
    return Settlement(False, resolved, {})


def _takes(state: DeliveryState, attempt: int, outcome: Outcome) -> bool:
    if outcome.state == "accepted":
        return state in OPEN or state == "uncertain"
    if state == "uncertain":
        # a late answer speaks for its own attempt, not for a later one
        return attempt <= outcome.attempt and outcome.state != "uncertain"
    return state in OPEN and attempt < outcome.attempt
