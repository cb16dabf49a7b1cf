"""Queues: the notification that work is ready. Losing one loses nothing, because a sweep comes anyway."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

from courierx_core.ports.driver import C, Driver


class Stop(Protocol):
    """What `threading.Event` offers a loop that must end."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Queue(Driver[C]):
    """Entry-point group `courierx.queues`. See `courierx_core.testing.QueueContract`."""

    @abstractmethod
    def notify(self, topic: str) -> str:
        """Say that work of `topic` ([a-z0-9_-]{1,64}) is ready, after its commit; return an id, the
        broker's where it has one, and that of a notification of the same topic which still waits where
        the two became one. May raise: the caller logs it and the sweep comes."""

    @abstractmethod
    def listen(
        self, topics: Sequence[str], handle: Callable[[str], None], stop: Stop, sweep_seconds: float
    ) -> None:
        """Block until `stop` is set, calling `handle(topic)` when notified and for every topic at least
        each `sweep_seconds`, even while the broker is away. Notifications may be coalesced."""
