"""The breaker: a campaign that mostly fails is stopped before it has failed for everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from courierx_core.ports.ledger import Outcome

ATTEMPTS_MIN = 200
"""Attempts before anything is concluded."""
FAILED_SHARE = 0.05
HARD_SHARE = 0.10
TRIED = frozenset({"accepted", "bounced", "deferred", "failed", "rejected", "uncertain"})
SOFT = ("4.", "5.2.", "5.7.", "5.3.4")
"""Enhanced status codes (RFC 3463) of bounces that say nothing bad of the list itself."""


class Breaker:
    """Counts one message's outcomes on one worker, since it was last told to pause."""

    def __init__(self) -> None:
        self._attempts = self._failed = self._hard = 0
        self._reasons: Counter[str] = Counter()

    def note(self, outcomes: Iterable[Outcome]) -> str:
        """Count; return why the message must pause, with its three commonest reasons, or ''."""
        for outcome in outcomes:
            state = outcome.state
            self._attempts += state in TRIED
            if state == "accepted":
                continue
            if state in ("failed", "rejected"):
                self._failed += 1
            elif state == "bounced" and not outcome.status.startswith(SOFT):
                self._hard += 1
            else:
                continue
            self._reasons[outcome.reason or outcome.reply] += 1
        if self._attempts < ATTEMPTS_MIN:
            return ""
        if self._failed > self._attempts * FAILED_SHARE:
            return self._say(self._failed, "failed or were rejected")
        if self._hard > self._attempts * HARD_SHARE:
            return self._say(self._hard, "bounced hard")
        return ""

    def _say(self, count: int, what: str) -> str:
        commonest = "; ".join(f"{n}x {reason}" for reason, n in self._reasons.most_common(3))
        return f"{count} of the last {self._attempts} {what}: {commonest}"
