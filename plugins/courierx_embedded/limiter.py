"""The limiter named `local`: exact within one process, forgotten when it ends."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from courierx_core.ports.driver import Config, Runtime
from courierx_core.ports.limiter import Grant, Limiter, Rate

NANOSECONDS = 1_000_000_000
SWEEP_KEYS = 4096
"""How many keys are kept before those that are as good as new are dropped."""


class LocalLimiterConfig(Config, frozen=True, kw_only=True):
    """Nothing to set."""


class _Level:
    """When the key's permits taken so far will be paid for, in nanoseconds times the rate's count.

    In that unit a permit costs a whole number (`seconds` in nanoseconds), so nothing is ever rounded.
    """

    __slots__ = ("count", "paid_at")

    def __init__(self, count: int, paid_at: int) -> None:
        self.count = count
        self.paid_at = paid_at


class LocalLimiter(Limiter[LocalLimiterConfig]):
    """The generic cell rate algorithm (ITU-T I.371) in whole numbers, under one lock."""

    Config: ClassVar[type[Any]] = LocalLimiterConfig

    def __init__(self, name: str, config: LocalLimiterConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._lock = threading.Lock()
        self._levels: dict[str, _Level] = {}

    def take(self, key: str, want: int, rate: Rate) -> Grant:
        if want < 1:
            raise ValueError(f"want is {want}; it takes 1 or more")
        cost = rate.seconds * NANOSECONDS
        with self._lock:
            now = int(self.runtime.monotonic() * NANOSECONDS) * rate.count
            level = self._level(key, rate.count, now)
            paid_at = max(level.paid_at, now)
            room = rate.at_once * cost - (paid_at - now)
            granted = min(want, max(0, room // cost))
            if granted:
                level.paid_at = paid_at + granted * cost
                room -= granted * cost
        if granted == want:
            return Grant(granted)
        return Grant(granted, (cost - room) / (rate.count * NANOSECONDS))

    def _level(self, key: str, count: int, now: int) -> _Level:
        level = self._levels.get(key)
        if level is None:
            if len(self._levels) >= SWEEP_KEYS:
                self._forget_idle(now // count)
            level = self._levels[key] = _Level(count, now)
        elif level.count != count:
            # The rate changed: the same moment in the new unit, rounded up so that nothing is gained.
            level.paid_at = -(-level.paid_at * count // level.count)
            level.count = count
        return level

    def _forget_idle(self, now: int) -> None:
        self._levels = {
            key: level for key, level in self._levels.items() if level.paid_at > now * level.count
        }
