"""One tenant's part of a window, as it is gathered: what to record, what to intend, which items move."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from courierx_core.delivery.judge import Attempt, Verdict
from courierx_core.delivery.line import OpenItem
from courierx_core.delivery.model import OPEN, DeliveryState
from courierx_core.ports.ledger import Outcome


class Batch:
    """One tenant's part of a window."""

    __slots__ = ("intents", "items", "verdicts")

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.intents: list[tuple[OpenItem, Attempt]] = []
        self.items: dict[int, OpenItem] = {}

    def record(self, item: OpenItem, verdict: Verdict) -> None:
        item.unresolved -= 1
        item.record(verdict)
        self.items[item.id] = item
        self.verdicts.append(verdict)

    def refuse(self, item: OpenItem) -> None:
        """Record those of the item's rows that may not be mailed."""
        for verdict in item.refused:
            item.unresolved += 1
            self.record(item, verdict)
        item.refused.clear()

    def outcomes(self) -> list[Outcome]:
        return [verdict.outcome for verdict in self.verdicts]

    def ends(self) -> Counter[tuple[str, DeliveryState]]:
        """Count what was decided, by transport and state; what was put back, spending nothing, is not."""
        told = self.outcomes()
        return Counter(
            [(each.transport, each.state) for each in told if each.tries or each.state not in OPEN]
        )

    def tell(self, log: logging.Logger) -> None:
        """Log what was decided about each delivery."""
        for each in self.outcomes():
            ids = {"delivery_id": each.id, "message_id": each.message_id, "transport": each.transport}
            log.debug("%s %s", each.state, each.status or each.reason, extra=ids)

    def intend(self, item: OpenItem, attempts: Sequence[Attempt]) -> None:
        """Add attempts on consecutive rows of the item."""
        if attempts:
            item.cursor = attempts[-1].recipient.id
            item.unresolved += len(attempts)
            self.items[item.id] = item
            self.intents += [(item, attempt) for attempt in attempts]
