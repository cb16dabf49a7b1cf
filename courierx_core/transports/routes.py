"""Routes: several transports under one name, a share for each and others to fall back on.

A message names a transport or a route. Which of its transports carries a work item is chosen when a worker
opens it: that is once for up to 500 deliveries, and for each single message. What went over a transport and
has no answer stays uncertain: only what was never handed over is given to another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

WEIGHT_MAX = 1000
Weight = Annotated[int, Meta(ge=1, le=WEIGHT_MAX)]

_GOLDEN = 0x9E3779B97F4A7C15
"""2**64 over the golden ratio: multiples of it fall evenly into any shares, those in a row best of all."""


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`transports` share the work by weight (1 to 1000) while they can be used; where none of them can, the
    first of `failover` that can has all of it. Raises ValueError where a name is there twice, or none is."""

    transports: Mapping[str, Weight]
    failover: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.transports:
            raise ValueError("a route needs at least one transport: transports = { NAME = 1 }")
        twice = sorted({each for each in self.names if self.names.count(each) > 1})
        if twice:
            raise ValueError(f"a route takes each transport once, and {', '.join(twice)} is there again")

    def __str__(self) -> str:
        """Say it in words: `eu 3, us 1; else backup`."""
        shares = ", ".join(f"{name} {weight}" for name, weight in self.transports.items())
        return "; else ".join([shares, *self.failover])

    @property
    def names(self) -> tuple[str, ...]:
        """Every transport that it may use, the shared ones first."""
        return (*self.transports, *self.failover)

    def choose(self, item_id: int, rest: Callable[[str], float]) -> str | None:
        """Return what carries a work item, the same for the same circumstances: `rest` says in how many
        seconds a transport may be used, 0 for now, infinity where a person has to see to it. None where
        that is so of all; where all rest, the one that is ready first."""
        rests = {name: rest(name) for name in self.names}
        shared = {name: weight for name, weight in self.transports.items() if not rests[name]}
        if shared:
            return _share(shared, item_id)
        ready = min(self.names, key=rests.__getitem__)  # the first of several that are alike
        return ready if rests[ready] < math.inf else None


def _share(weights: Mapping[str, int], item_id: int) -> str:
    point = (item_id * _GOLDEN % 2**64) * sum(weights.values()) >> 64
    for name, weight in weights.items():
        point -= weight
        if point < 0:
            return name
    raise AssertionError("the point lies within the sum of the weights")
