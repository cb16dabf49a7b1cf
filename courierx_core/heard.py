"""What queues that listen on threads of their own share: topics as they are heard, and what they call."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence

from courierx_core.ports.queue import Stop

STOP_SECONDS = 0.2
"""How soon it is noticed that it must stop."""
_TOPIC = re.compile(r"[a-z0-9_-]{1,64}")


def checked_topic(topic: str) -> str:
    """Return a topic that a queue may be notified of. Raises ValueError."""
    if not _TOPIC.fullmatch(topic):
        raise ValueError(f"the topic is {topic!r}; it takes 1 to 64 of a-z, 0-9, _ and -")
    return topic


class Heard:
    """The topics that were heard and not handled yet; many of one become one. Any thread may add."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._topics: set[str] = set()

    def add(self, topic: str) -> None:
        with self._lock:
            self._topics.add(topic)
            self._news.set()

    def call(
        self, topics: Sequence[str], handle: Callable[[str], None], stop: Stop, sweep_seconds: float
    ) -> None:
        """Call `handle` for each topic as `Queue.listen` promises: at once, when it was heard, and at least
        every `sweep_seconds`; until `stop` is set."""
        due = dict.fromkeys(topics, self._monotonic())
        while not stop.is_set():
            news = self._wait(max(0.0, min(due.values(), default=0.0) - self._monotonic()))
            for topic in topics:
                if stop.is_set():
                    return
                if topic in news or due[topic] <= self._monotonic():
                    handle(topic)
                    due[topic] = self._monotonic() + sweep_seconds

    def _wait(self, seconds: float) -> set[str]:
        self._news.wait(min(seconds, STOP_SECONDS))
        with self._lock:
            self._news.clear()
            topics, self._topics = self._topics, set()
        return topics
