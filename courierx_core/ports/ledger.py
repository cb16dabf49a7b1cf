"""The ledger: the store's hot path, on a connection of its own, used by one thread at a time.

Sets in, sets out: claim items, read a window, and in one transaction record answers and commit the
next intents. All times are the database's. See docs/decisions for why it stands beside the unit of work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from courierx_core.delivery.model import DeliveryState
from courierx_core.messages.model import Recipient
from courierx_core.ports.transport import Stream
from courierx_core.work import Topic, WorkItem


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one delivery under one item's attempt.

    `state` may be the open state it had ("queued" or "deferred"): put back, nothing was spent. Applied
    when the row is unresolved for that attempt and open, or is uncertain (a late answer), or when the
    answer is accepted and the row is open; otherwise the row stays as evidence has left it.
    """

    id: int
    item_id: int
    message_id: int
    state: DeliveryState
    attempt: int
    before: DeliveryState = "queued"
    """The state the row had when it was read."""
    tries: int = 0
    """1 when the attempt cost the recipient one, else 0."""
    reason: str = ""
    status: str = ""
    provider_id: str = ""
    reply: str = ""
    stage: str = ""
    transport: str = ""


class ItemMove(msgspec.Struct, frozen=True):
    """Where a leased item stands after this window: fenced by `epoch`."""

    id: int
    epoch: int
    cursor: int
    counts: Mapping[str, int]
    """The item's whole counts, which replace the stored ones."""
    state: Literal["leased", "done", "ready"] = "leased"
    """"ready" gives the lease back: everything up to the cursor is resolved. On an item that was paused
    meanwhile (held, same epoch) "ready" and "done" clear owner and lease, and it stays held."""
    delay_seconds: float = 0.0
    """With "ready": due again only then (the transport is down, say)."""


class FollowUp(msgspec.Struct, frozen=True):
    """A list item to be born in the same transaction: deliveries that get another attempt, or whose refusal
    is to be told. Only ids whose outcome was applied in this transaction go in, so a window that is repeated
    after a lost connection, or comes late, never queues anybody twice; none left, no item."""

    message_id: int
    stream: Stream
    ids: tuple[int, ...]
    attempt: int
    delay_seconds: float
    topic: Literal["send", "refusal"] = "send"
    """A pause of the message holds what is to be sent, and nothing else."""


class WindowAnswer(msgspec.Struct, frozen=True):
    """What the committed window said.

    An item that is not in `held_on` was taken over, paused or cancelled: send nothing of its intents.
    `suppressed` are intents whose address was suppressed or unsubscribed since they were read.
    """

    held_on: frozenset[int]
    suppressed: Mapping[int, str]


class Swept(msgspec.Struct, frozen=True):
    """One expired lease made ready (or left held) again, and how many deliveries became uncertain."""

    item_id: int
    tenant_id: int
    topic: Topic
    subject_id: int
    stream: Stream
    uncertain: int


class Ledger(Protocol):
    def claim(
        self,
        owner: str,
        *,
        limit: int,
        lease_seconds: float,
        topics: Sequence[Topic],
        stream: Stream | None = None,
        subject_id: int | None = None,
    ) -> list[WorkItem]:
        """Lease up to `limit` ready, due items, all of one tenant, topic and stream: transactional first,
        then tenants in turn (by weight, a send item counting for each delivery that it has left), oldest due
        first. `stream` or `subject_id` narrows the choice. Each comes back leased by `owner` with its epoch
        raised."""

    def renew(self, owner: str, *, lease_seconds: float) -> frozenset[int]:
        """Extend every live lease of `owner`; return the ids still leased by it."""

    def read(self, item: WorkItem, *, after: int, limit: int) -> list[Recipient]:
        """Read open, unresolved deliveries of a send item with id > `after`, by id, with the
        subscriber's present names and attributes, and whether they may be mailed (`suppressed`)."""

    def window(
        self,
        tenant_id: int,
        moves: Sequence[ItemMove],
        outcomes: Sequence[Outcome] = (),
        intents: Sequence[int] = (),
        follow_ups: Sequence[FollowUp] = (),
        stream: Stream = "broadcast",
    ) -> WindowAnswer:
        """Commit one window durably, in one transaction of one tenant: record `outcomes` (and an
        `attempts` row for each that was tried and not accepted), move the items' cursors, re-check
        suppression of `intents`, and add `follow_ups`. Outcomes apply even where their item is fenced, and
        are then counted in the message's own counters. Those of an item's last lease are recorded before
        the same caller moves it under its next one. Raises StoreError with nothing written."""

    def sweep(self, *, limit: int = 100) -> list[Swept]:
        """Take expired leases: unresolved deliveries up to the cursor become `uncertain` (those that
        evidence has moved meanwhile were counted where they moved), the item's epoch rises, and it is ready
        again (a held one stays held without a lease; an exhausted one is done)."""

    def next_due(self, *, topics: Sequence[Topic], stream: Stream | None = None) -> float | None:
        """Seconds until the earliest ready item of these topics, and of `stream` if given, is due (0 when
        one is); None when there is none."""

    def close(self) -> None: ...
