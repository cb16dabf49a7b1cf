"""What a store keeps of webhooks: the receivers, and what each of them is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from courierx_core.webhooks.model import Call, CallState, Webhook


class Webhooks(Protocol):
    def add(self, webhook: Webhook) -> Webhook: ...
    def get(self, webhook_id: int) -> Webhook: ...
    def lock(self, webhook_id: int) -> Webhook: ...
    def save(self, webhook: Webhook) -> Webhook: ...
    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Webhook]: ...
    def listening(self) -> Sequence[Webhook]:
        """Return those that are enabled, oldest first."""

    def remove(self, webhook_id: int) -> None:
        """Remove it with its calls."""


class WebhookCalls(Protocol):
    def add(self, calls: Sequence[Call]) -> None: ...
    def get(self, call_id: int) -> Call: ...
    def due(self, webhook_id: int, *, limit: int) -> Sequence[Call]:
        """Return waiting calls whose time has come, the longest due first."""

    def save(self, call: Call, *, delay_seconds: float) -> None:
        """Keep its state and attempts; one that waits is due in so many seconds."""

    def next_due(self, webhook_id: int) -> float | None:
        """Return the seconds until a call of it is due, at least 0; None where none waits."""

    def list(
        self,
        webhook_id: int,
        *,
        state: CallState | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Call]: ...
    def let_go(self, webhook_id: int, *, before: datetime, waiting: bool = False) -> int:
        """Remove calls made before that which are over, or wait too; return how many."""
