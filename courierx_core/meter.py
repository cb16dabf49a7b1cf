"""Meters: the generic cell rate algorithm (ITU-T I.371) in whole numbers, so nothing is ever rounded.

`take` is pure: a level and a moment in, a level and a grant out. `Meters` keeps a level for each key in
this process; a limiter that several processes share keeps them elsewhere and counts in the same way.
"""

from __future__ import annotations

import threading

import msgspec

from courierx_core.ports.limiter import Grant, Rate

NANOSECONDS = 1_000_000_000
SWEEP_KEYS = 4096
"""How many keys are kept before those that are as good as new are dropped."""


class Level(msgspec.Struct, frozen=True, gc=False):
    """What was taken and is not yet paid for, at a moment in nanoseconds.

    `ahead` is in nanoseconds times the rate's `count`: in that unit a permit costs a whole number.
    """

    at: int
    ahead: int
    count: int

    def ahead_at(self, now: int, count: int) -> int:
        """Return what is still unpaid at `now`, in the unit of a rate of `count`."""
        left = max(0, self.ahead - max(0, now - self.at) * self.count)
        # After a change of the rate: the same time in the new unit, rounded up so that nothing is gained.
        return left if count == self.count else -(-left * count // self.count)


def take(level: Level | None, now: int, want: int, rate: Rate) -> tuple[Level | None, Grant]:
    """Take up to `want` permits at `now`; a refusal costs nothing. None is a new key's level.

    Raises ValueError when `want` is less than 1.
    """
    if want < 1:
        raise ValueError(f"want is {want}; it takes 1 or more")
    cost = rate.seconds * NANOSECONDS
    ahead = level.ahead_at(now, rate.count) if level else 0
    room = rate.at_once * cost - ahead
    granted = min(want, max(0, room // cost))
    if granted or (level and now < level.at):  # a clock that was set back must not stop the key until then
        level = Level(now, ahead + granted * cost, rate.count)
        room -= granted * cost
    if granted == want:
        return level, Grant(granted)
    return level, Grant(granted, (cost - room) / (rate.count * NANOSECONDS))


class Meters:
    """A level for each key, under one lock; forgotten with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._levels: dict[str, Level] = {}

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: str, now: float, want: int, rate: Rate) -> Grant:
        """Take permits of `key` at `now`, in seconds of a clock that only moves on."""
        moment = int(now * NANOSECONDS)
        with self._lock:
            level, grant = take(self._levels.get(key), moment, want, rate)
            if level is not None:
                if len(self._levels) >= SWEEP_KEYS and key not in self._levels:
                    self._forget_idle(moment)
                self._levels[key] = level
        return grant

    def _forget_idle(self, now: int) -> None:
        self._levels = {key: level for key, level in self._levels.items() if level.ahead_at(now, level.count)}
