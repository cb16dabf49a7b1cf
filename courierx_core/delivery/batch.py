"""One tenant's part of a window, as it is gathered: what to record, what to intend, which items move."""

from __future__ import annotations

from courierx_core.delivery.judge import Attempt, Verdict
from courierx_core.delivery.line import OpenItem
from courierx_core.ports.ledger import Outcome
from courierx_core.ports.transport import Envelope


class Batch:
    """One tenant's part of a window."""

    __slots__ = ("intents", "items", "verdicts")

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.intents: list[tuple[OpenItem, Attempt, Envelope]] = []
        self.items: dict[int, OpenItem] = {}

    def record(self, item: OpenItem, verdict: Verdict) -> None:
        item.unresolved -= 1
        item.record(verdict)
        self.items[item.id] = item
        self.verdicts.append(verdict)

    def outcomes(self) -> list[Outcome]:
        return [verdict.outcome for verdict in self.verdicts]

    def intend(self, item: OpenItem, attempt: Attempt, envelope: Envelope) -> None:
        item.cursor = envelope.id
        item.unresolved += 1
        self.items[item.id] = item
        self.intents.append((item, attempt, envelope))
