"""What a key that does not work costs whoever tries it: after a few, waiting (SECURITY: S16)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from courierx_core.ports.limiter import Limiter, Rate

RATE = Rate(20, 60, burst=20)
"""Bad keys of one source."""
_KEPT = 4096

K = TypeVar("K")
V = TypeVar("V")


class BadKeys:
    """Turns away sources that try bad keys, without asking the store.

    A key that worked here before is never turned away: behind one proxy or NAT a stranger's guesses, or a
    colleague's revoked key, would otherwise shut everyone out. A source that guesses is held up whether
    its next guess would be right or not.
    """

    def __init__(self, limiter: Limiter[Any], monotonic: Callable[[], float]) -> None:
        self._limiter = limiter
        self._monotonic = monotonic
        self._worked: OrderedDict[bytes, None] = OrderedDict()
        self._until: OrderedDict[str, float] = OrderedDict()

    def wait(self, source: str, text: str) -> float:
        """Return for how many seconds the source must not try this key; 0 is not at all."""
        left = self._until.get(source, 0.0) - self._monotonic()
        return max(0.0, left) if left > 0 and _mark(text) not in self._worked else 0.0

    def worked(self, text: str) -> None:
        _keep(self._worked, _mark(text), None)

    def failed(self, source: str, text: str) -> float:
        """Count a bad key; return for how many seconds its source must now wait."""
        self._worked.pop(_mark(text), None)
        grant = self._limiter.take(f"bad-keys:{source}", 1, RATE)
        if grant.granted:
            return 0.0
        _keep(self._until, source, self._monotonic() + grant.retry_after)
        return grant.retry_after


def _mark(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _keep(kept: OrderedDict[K, V], name: K, value: V) -> None:
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > _KEPT:
        kept.popitem(last=False)
