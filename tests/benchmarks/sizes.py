"""How much is measured: minutes' worth by default, hours' worth in full, next to nothing in a test."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Literal, TypeAlias

import msgspec

StoreName: TypeAlias = Literal["sqlite", "postgresql"]
TemplateName: TypeAlias = Literal["tags", "logic", "untracked"]
"""`untracked` is `tags` without rewritten links and without a pixel."""
STORES: tuple[StoreName, ...] = ("postgresql", "sqlite")
TEMPLATES: tuple[TemplateName, ...] = ("tags", "logic")
WINDOWS = (40, 200, 500)


class Pipeline(msgspec.Struct, frozen=True):
    """One way to send a whole campaign."""

    store: StoreName
    window: int
    template: TemplateName
    workers: int
    recipients: int

    @property
    def name(self) -> str:
        """Call it by everything but its size."""
        return f"{self.store} W={self.window} {self.template} x{self.workers}"

    @property
    def key(self) -> str:
        return f"{self.name} n={self.recipients}"


class Scale(msgspec.Struct, frozen=True):
    """What the part `scale` does."""

    recipients: int = 100_000
    """Of the campaign that so many workers send."""
    workers: tuple[int, ...] = (1, 2, 4, 8)
    old: int = 10_000_000
    """Deliveries of the past."""
    people: int = 20_000
    """Who is mailed among them."""
    items: int = 2_000
    """What the crowd claims."""
    crowd: tuple[int, int] = (8, 8)
    """Processes, and workers in each, that do nothing but claim."""
    limited_seconds: float = 5.0


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of the benchmark does."""

    rounds: int
    pipelines: tuple[Pipeline, ...]
    matrix: tuple[Pipeline, ...] = ()
    """The combinations that the part `matrix` was asked for."""
    checked: int
    """Recipients of the run before the first round that is held against the sink address by address."""
    textbook: int
    rendered: int
    """Messages a turn; `EmailMessage` gets a seventh."""
    messages: int
    """What the SMTP clients send; lock-step ones send a quarter."""
    delayed: int
    """The same at 20 ms."""
    people: int
    """What the store's parts import, snapshot, claim and record."""
    asked: int
    """Requests a turn over HTTP."""
    readers: int
    """Who clicks once and opens once."""
    growing: tuple[int, int]
    """Recipients of the small campaign and of the large one."""
    scale: Scale
    half: int = 3
    """How often the small one is sent before the large one, and again after it."""


def _main(recipients: int) -> tuple[Pipeline, ...]:
    return (
        Pipeline("postgresql", 200, "tags", 1, recipients),
        Pipeline("sqlite", 200, "tags", 1, recipients),
        Pipeline("postgresql", 200, "logic", 2, recipients),
        Pipeline("postgresql", 40, "tags", 1, recipients),
    )


def matrix(
    stores: Iterable[StoreName] = STORES,
    windows: Iterable[int] = WINDOWS,
    templates: Iterable[TemplateName] = TEMPLATES,
    workers: Iterable[int] = (1, 2),
    recipients: Iterable[int] = (10_000, 100_000, 1_000_000),
) -> tuple[Pipeline, ...]:
    """Combine everything with everything."""
    ways = product(recipients, stores, windows, templates, workers)
    return tuple(Pipeline(store, w, template, n, to) for to, store, w, template, n in ways)


SHORT = Sizes(
    rounds=3,
    pipelines=(
        *_main(30_000),
        Pipeline("postgresql", 500, "tags", 1, 30_000),
        Pipeline("postgresql", 200, "tags", 2, 30_000),
        Pipeline("postgresql", 200, "logic", 1, 30_000),
    ),
    checked=2_000, textbook=500, rendered=300, messages=40_000, delayed=2_000, people=50_000, readers=5_000,
    asked=2_000, growing=(10_000, 100_000), scale=Scale(),
)  # fmt: skip
FULL = msgspec.structs.replace(SHORT, people=1_000_000, growing=(10_000, 1_000_000))
TINY = Sizes(
    rounds=1,
    pipelines=_main(40)[:3],
    checked=20,
    textbook=5,
    rendered=20,
    messages=160,
    delayed=40,
    people=1_200,
    asked=40,
    readers=200,
    growing=(20, 40),
    half=1,
    scale=Scale(40, (1, 2), 5_000, 1_000, 40, (2, 2), 0.5),
)
"""Proves the machinery; says nothing of speed."""
