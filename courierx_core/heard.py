"""What queues share: what a topic may be, and the clock that calls for topics heard and not heard."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Sequence

from courierx_core.ports.queue import Stop

STOP_SECONDS = 0.2
"""How soon it is noticed that it must stop."""
TOPIC = re.compile(r"[a-z0-9_-]{1,64}")


def checked_topic(topic: str) -> str:
    """Return a topic that a queue may be notified of. Raises ValueError."""
    if not TOPIC.fullmatch(topic):
        raise ValueError(f"the topic is {topic!r}; it takes 1 to 64 of a-z, 0-9, _ and -")
    return topic


def call_for(
    topics: Sequence[str],
    handle: Callable[[str], None],
    stop: Stop,
    sweep_seconds: float,
    *,
    wait: Callable[[float], Collection[str]],
    monotonic: Callable[[], float],
) -> None:
    """Call `handle` for each topic as `Queue.listen` promises: at once, when it was heard, and at least every
    `sweep_seconds`; until `stop` is set. `wait` waits so long at most, and returns what was heard."""
    due = dict.fromkeys(topics, monotonic())
    while not stop.is_set():
        heard = wait(min(STOP_SECONDS, max(0.0, min(due.values(), default=0.0) - monotonic())))
        for topic in topics:
            if stop.is_set():
                return
            if topic in heard or due[topic] <= monotonic():
                handle(topic)
                due[topic] = monotonic() + sweep_seconds


class Heard:
    """The topics that a queue's own threads heard and nobody handled yet; many of one become one."""

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
        """See `call_for`."""
        call_for(topics, handle, stop, sweep_seconds, wait=self._wait, monotonic=self._monotonic)

    def _wait(self, seconds: float) -> set[str]:
        self._news.wait(seconds)
        with self._lock:
            self._news.clear()
            topics, self._topics = self._topics, set()
        return topics
