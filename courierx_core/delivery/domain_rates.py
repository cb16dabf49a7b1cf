"""Rates of recipient domains: who may go now, and when the others have their turn.

Rows of a work item are intended in order, so one whose domain takes no more now is put back, due when its
turn comes: the rest of the item does not wait for it, and nobody's attempt is spent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from courierx_core.courier import Courier
from courierx_core.delivery.shares import broadcast_share
from courierx_core.messages.model import Recipient
from courierx_core.ports.limiter import Grant, Limiter, Rate
from courierx_core.ports.transport import Stream

WAIT_MAX = 600.0
"""The longest wait for a turn, in seconds: then it is asked again, and a rate may have been changed."""
TOGETHER = 50
"""How many turns come due together: each time is a work item of its own."""
REASON = "rate:"
"""How the reason of a delivery begins that waits for its turn; its domain follows."""


def take(limiter: Limiter, key: str, want: int, rate: Rate, stream: Stream) -> Grant:  # type: ignore[type-arg]
    """Take permits, of the part for campaigns too where it is one."""
    if stream == "broadcast":
        grant = limiter.take(f"{key}:broadcast", want, Rate(broadcast_share(rate.count), rate.seconds))
        if not grant.granted:
            return grant
        want = grant.granted
    return limiter.take(key, want, rate)


def domain_of(recipient: Recipient) -> str:
    return recipient.address.rpartition("@")[2]


class DomainRates:
    """A lane's: used by its thread only. A rate holds for each transport by itself."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._spared: Counter[str] = Counter()
        """Permits that were taken and could not be used, by key."""
        self._next: dict[str, float] = {}
        """Monotonic time of the next turn that nobody waits for, by key."""

    @property
    def rates(self) -> Mapping[str, Rate]:
        return self._courier.policy.domain_rates

    def split(
        self, transport: str, stream: Stream, ahead: Iterable[Recipient]
    ) -> tuple[list[Recipient], list[tuple[Recipient, float]]]:
        """Return who of `ahead` may go now, and the others with the seconds until their turn."""
        ahead = list(ahead)
        wanted = Counter(domain for each in ahead if (domain := domain_of(each)) in self.rates)
        left = {domain: self._take(transport, domain, n, stream) for domain, n in wanted.items()}
        going, waiting = [], []
        for each in ahead:
            domain = domain_of(each)
            if domain not in left:
                going.append(each)
            elif left[domain]:
                left[domain] -= 1
                going.append(each)
            else:
                waiting.append((each, self._wait(transport, domain)))
        return going, waiting

    def spare(self, transport: str, recipients: Iterable[Recipient]) -> None:
        """Keep for the next time what `split` let go and something else holds back."""
        for each in recipients:
            if (domain := domain_of(each)) in self.rates:
                self._spared[_key(transport, domain)] += 1

    def _take(self, transport: str, domain: str, want: int, stream: Stream) -> int:
        key = _key(transport, domain)
        spared = min(want, self._spared[key])
        self._spared[key] -= spared
        if spared == want:
            return want
        return spared + take(self._courier.limiter, key, want - spared, self.rates[domain], stream).granted

    def _wait(self, transport: str, domain: str) -> float:
        """Give the next turn away; return the seconds until it, some turns together."""
        key, now, rate = _key(transport, domain), self._courier.runtime.monotonic(), self.rates[domain]
        apart = rate.seconds / rate.count
        turn = min(max(self._next.get(key, now), now) + apart, now + WAIT_MAX)
        self._next[key] = turn
        step = max(1.0, TOGETHER * apart)
        return min(math.ceil((turn - now) / step) * step, WAIT_MAX)


def _key(transport: str, domain: str) -> str:
    return f"transport:{transport}:to:{domain}"
