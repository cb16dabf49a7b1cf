"""What a run of the benchmark found, as its JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from tests.benchmarks.bars import Bar
from tests.benchmarks.figures import Figures
from tests.benchmarks.machine import Machine

Part: TypeAlias = dict[str, Figures]
"""What was compared -> its figures."""


class Report(msgspec.Struct, frozen=True):
    """`docs/reference/performance.json`."""

    command: str
    machine: Machine
    rounds: int
    recipients: int
    parts: Mapping[str, Part]
    bars: list[Bar]
