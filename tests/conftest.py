"""How hard hypothesis tries: modestly by default, far more in `nox -s fuzz`; never against the clock. And no
test logs for another."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("modest", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile("modest")


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Take back what a command run in this process set up: its stream is closed when the next test logs."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
    root.setLevel(level)
