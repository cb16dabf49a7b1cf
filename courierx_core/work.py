"""The one table of background work: every job is a row with a state and a due time (LEDGER section 2).

Queues only notify. A process that dies holds a lease that expires; a sweep makes its rows ready again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from courierx_core.ports.transport import Stream

Topic: TypeAlias = Literal[
    "snapshot", "send", "resend", "refusal", "schedule", "import", "export", "webhook", "hook",
    "domain_check", "erase", "prune",
]  # fmt: skip
WorkState: TypeAlias = Literal["ready", "leased", "held", "done"]

OF_MESSAGE: tuple[Topic, ...] = ("snapshot", "send", "resend")
"""What a message is made of: it completes when no such item is open, and is paused and cancelled by them."""
NEEDS_ADOPTION = "needs_adoption"
"""Why items and campaigns are held that wait for `courierx adopt`."""
SEND_ITEM_MAX = 500
"""Deliveries one send item covers at most."""


class WorkItem(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of background work.

    A send item covers the delivery ids `lo..hi` or the sorted `ids`; `cursor` is the last id whose intent
    is committed, `attempt` (from 1) tells which of its deliveries are resolved: those whose own
    `attempt` has reached it. `epoch` rises with each claim and fences the previous owner. `counts` are
    changes of delivery states made under this item; a report sums them.
    """

    id: int = 0
    tenant_id: int
    stream: Stream
    topic: Topic
    subject_id: int
    """The message (snapshot, send, resend, refusal), campaign (schedule), import ... the work is about."""
    lo: int = 0
    hi: int = 0
    ids: tuple[int, ...] | None = None
    attempt: int = 1
    due_at: datetime | None = None
    """None: now, by the database's clock."""
    state: WorkState = "ready"
    owner: str = ""
    epoch: int = 0
    lease_until: datetime | None = None
    cursor: int = 0
    counts: Mapping[str, int] = {}
    error: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the open items of a subject stand."""

    moving: int = 0
    """Ready and due, or leased."""
    stale: int = 0
    """Leased by a worker that has not renewed its lease for some while."""
    stale_until: datetime | None = None
    """When the last of those leases ends, and others take over."""
    later: tuple[WorkItem, ...] = ()
    """Ready, and due later: some of them, the earliest first."""
