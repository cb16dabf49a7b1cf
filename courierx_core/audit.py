"""The audit log: who changed what, written by the unit of work itself, so that no use case can forget it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A change. It names no address and no text: ids outlive an erased person, and tell nothing."""

    id: int
    tenant_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any] = {}


class Act:
    """What somebody is doing. A unit of work that changes something meanwhile notes it, once per tenant."""

    def __init__(self, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
        self.actor, self.action, self.subject, self.detail = actor, action, subject, detail
        self.noted: set[int] = set()


ACT: ContextVar[Act | None] = ContextVar("courierx_act", default=None)
"""What is being done here; None for what the system does by itself."""


@contextmanager
def unnoted() -> Iterator[None]:
    """Keep books, inside an act, that are no change of anybody's."""
    token = ACT.set(None)
    try:
        yield
    finally:
        ACT.reset(token)
