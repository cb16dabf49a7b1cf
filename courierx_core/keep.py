"""What has to be stored with what a use case makes, or not at all, such as the answer to a request's key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from courierx_core.ports.idempotency import Keeps

T = TypeVar("T")

Keep: TypeAlias = Callable[[Keeps, T], object]
"""A use case calls it with what it made, in the transaction that makes it."""


def nothing(unit: Keeps, made: object) -> None:
    """Keep nothing with it."""
