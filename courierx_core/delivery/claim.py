"""How much a run leases at a time."""

from __future__ import annotations

from courierx_core import failpoints
from courierx_core.courier import Courier
from courierx_core.ports.ledger import Ledger
from courierx_core.ports.transport import Stream
from courierx_core.work import WorkItem

ITEMS_AHEAD = 2
"""Items with rows left that a run likes to hold: one being sent, one to go on with."""
SMALL_ITEMS = 50
"""Single messages are items of their own: so many are leased in one claim."""


def claim_size(stream: Stream) -> int:
    """Return how many items a claim takes at most; one that is full has likely left some."""
    return ITEMS_AHEAD if stream == "broadcast" else SMALL_ITEMS


def claim_send(courier: Courier, ledger: Ledger, owner: str, stream: Stream) -> list[WorkItem]:
    """Lease the next send items of a stream: few large ones, or many single messages."""
    items = ledger.claim(
        owner,
        limit=claim_size(stream),
        lease_seconds=courier.policy.lease_seconds,
        topics=("send",),
        stream=stream,
    )
    if items and failpoints.armed:
        failpoints.hit("after_claim")
    return items
