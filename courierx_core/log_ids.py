"""Which tenant, item, message or request a line of the log is about: bound once, named by every line below.

What a process does with them is its own business; CourierX's own processes write them beside each line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

IDS: ContextVar[Mapping[str, str | int]] = ContextVar("courierx_log_ids", default=MappingProxyType({}))
"""Of what this thread or task is doing now, by name; never an address, a key or a name of a person."""


@contextmanager
def about(**ids: str | int) -> Iterator[None]:
    """Let what is logged inside be about these ids too."""
    token = IDS.set({**IDS.get(), **ids})
    try:
        yield
    finally:
        IDS.reset(token)
