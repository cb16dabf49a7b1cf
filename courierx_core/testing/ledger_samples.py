"""The small steps that a ledger's contract is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from courierx_core.delivery.model import DeliveryState, moved
from courierx_core.messages.model import Message
from courierx_core.ports.ledger import ItemMove, Ledger, Outcome
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import new_message
from courierx_core.work import Topic, WorkItem

EXPIRED = -1.0
"""A lease that has run out already: nobody waits for a clock."""


class WithLedger:
    """Gives each test a ledger of its own beside the store."""

    @pytest.fixture
    def ledger(self, store: Store[Any]) -> Iterator[Ledger]:
        made = store.ledger()
        yield made
        made.close()


def add(store: Store[Any], tenant: int, *names: str, stream: Any = "broadcast") -> tuple[Message, list[int]]:
    """Make a message to these people; return it and its deliveries' ids."""
    with store.begin(tenant) as unit:
        message = new_message(unit, stream=stream)
        made = unit.deliveries.add(message, [f"{name}@example.com" for name in names])
    return message, [each.id for each in made]


def claim(
    ledger: Ledger,
    *,
    owner: str = "w",
    lease: float = 600.0,
    limit: int = 1,
    topics: Sequence[Topic] = ("send",),
    **choice: Any,
) -> list[WorkItem]:
    return ledger.claim(owner, limit=limit, lease_seconds=lease, topics=topics, **choice)


def intend(ledger: Ledger, item: WorkItem, ids: Sequence[int]) -> None:
    """Commit the intents of the item's first deliveries."""
    move = ItemMove(item.id, item.epoch, ids[-1], item.counts)
    assert ledger.window(item.tenant_id, [move], (), ids).held_on == {item.id}


def outcome(item: WorkItem, delivery_id: int, state: DeliveryState, **fields: Any) -> Outcome:
    """Say what became of a delivery of the item: an attempt, unless `fields` say otherwise."""
    given: dict[str, Any] = {"tries": 1, "stage": "data", **fields}
    return Outcome(delivery_id, item.id, item.subject_id, state, item.attempt, **given)


def move(
    item: WorkItem, cursor: int, outcomes: Sequence[Outcome] = (), state: Any = "leased", **fields: Any
) -> ItemMove:
    """Move the item on, with the counts it has after `outcomes`."""
    counts: Mapping[str, int] = item.counts
    for each in outcomes:
        counts = moved(counts, each.before, each.state)
    return ItemMove(item.id, item.epoch, cursor, counts, state, **fields)


def counted(store: Store[Any], tenant: int, message: Message) -> dict[str, int]:
    """Return the message's counters, having held them against its rows."""
    with store.begin(tenant, write=False) as unit:
        totals = unit.deliveries.totals(message.id)
        assert totals == unit.deliveries.recount(message.id)
    return totals


def stored(store: Store[Any], item: WorkItem) -> WorkItem:
    with store.begin(item.tenant_id, write=False) as unit:
        return unit.work.get(item.id)


def pause(store: Store[Any], message: Message) -> int:
    with store.begin(message.tenant_id) as unit:
        return unit.work.hold(message.id)


def resume(store: Store[Any], message: Message) -> int:
    with store.begin(message.tenant_id) as unit:
        return unit.work.unhold(message.id)
