"""What runs of the benchmark found, as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from tests.benchmarks.bars import Bar, bars
from tests.benchmarks.figures import Part
from tests.benchmarks.machine import Machine


class Run(msgspec.Struct, frozen=True):
    """One part, and how it was made: parts may be measured at different times."""

    command: str
    machine: Machine
    rounds: int
    figures: Part


Runs: TypeAlias = Mapping[str, Run]
"""Part's name -> its run: `docs/reference/performance.json`."""


def judge(runs: Runs) -> list[Bar]:
    """Hold every part against the bars."""
    return bars({name: run.figures for name, run in runs.items()})
