"""What every queue must keep: subclass, give `queue`, and run pytest."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from courierx_core.ports.queue import Queue

DEADLINE = 20.0
"""Seconds after which something that should have happened has not."""


UNHEARD = "a notification calls handle() of whoever listens to its topic"


class Heard:
    """What a listener was called with, and how to wait for more."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._counts: Counter[str] = Counter()

    def __call__(self, topic: str) -> None:
        with self._condition:
            self._counts[topic] += 1
            self._condition.notify_all()

    def count(self, topic: str) -> int:
        with self._condition:
            return self._counts[topic]

    def topics(self) -> set[str]:
        with self._condition:
            return set(self._counts)

    def reaches(self, topic: str, count: int, seconds: float = DEADLINE) -> bool:
        """Wait until `topic` was heard `count` times."""
        with self._condition:
            return self._condition.wait_for(lambda: self._counts[topic] >= count, seconds)


class QueueContract(ABC):
    """`queue` makes a queue; two of one test reach each other, as two processes' would."""

    flood: ClassVar[int] = 2000
    """How many notifications come at once; fewer for a broker that takes each as a request."""

    @abstractmethod
    def queue(self) -> Queue[Any]:
        """Make a queue; the contract closes it."""

    @pytest.fixture
    def made(self) -> Iterator[Queue[Any]]:
        queue = self.queue()
        yield queue
        queue.close()

    def test_a_notification_wakes_a_listener(self, made: Queue[Any]) -> None:
        with listening(made, ["broadcast"]) as heard:
            assert hears(made, heard, "broadcast"), UNHEARD

    def test_it_wakes_the_listener_of_another_instance(self, made: Queue[Any]) -> None:
        other = self.queue()
        try:
            with listening(other, ["broadcast"]) as heard:
                assert hears(made, heard, "broadcast"), UNHEARD
        finally:
            other.close()

    def test_every_topic_is_handled_without_notifications(self, made: Queue[Any]) -> None:
        with listening(made, ["broadcast", "transactional"], sweep_seconds=0.05) as heard:
            for topic in ("broadcast", "transactional"):
                assert heard.reaches(topic, 3), (
                    f"handle({topic!r}) is called every sweep_seconds, notified or not"
                )

    def test_only_the_topics_asked_for_are_handled(self, made: Queue[Any]) -> None:
        with listening(made, ["broadcast"]) as heard:
            made.notify("transactional")
            assert hears(made, heard, "broadcast"), UNHEARD
            assert heard.topics() == {"broadcast"}, "listen() handles the topics that it was given"

    def test_no_notification_after_the_work_was_looked_at_is_lost(self, made: Queue[Any]) -> None:
        """One that comes while `handle` runs makes it run again."""
        entered, leave = threading.Event(), threading.Event()
        heard = Heard()

        def handle(topic: str) -> None:
            heard(topic)
            entered.set()
            leave.wait(DEADLINE)

        with listening(made, ["broadcast"], handle=handle):
            # Not `hears`: it wants to hear twice where the first look came early, and `handle` is held.
            end = time.monotonic() + DEADLINE
            while not entered.wait(0.05) and time.monotonic() < end:
                made.notify("broadcast")
            assert entered.is_set(), UNHEARD
            before = heard.count("broadcast")
            made.notify("broadcast")
            leave.set()
            again = heard.reaches("broadcast", before + 1)
            assert again, "a notification that comes while handle() runs makes it run once more"

    def test_a_flood_reaches_the_listener_at_least_once(self, made: Queue[Any]) -> None:
        with listening(made, ["broadcast"]) as heard:
            assert hears(made, heard, "broadcast"), UNHEARD
            before = heard.count("broadcast")
            for _ in range(self.flood):
                made.notify("broadcast")
            assert heard.reaches("broadcast", before + 1), (
                "any number of notifications may be one call, and is never none"
            )

    def test_notify_without_a_listener_returns_an_id(self, made: Queue[Any]) -> None:
        """The second may be the first one's, which still waits; another topic's never is."""
        for topic in ("broadcast", "broadcast", "transactional"):
            told = made.notify(topic)
            assert isinstance(told, str), "notify() returns an id"
            assert told, "notify() returns an id"
        assert made.notify("broadcast") != made.notify("transactional"), "each topic has ids of its own"

    @pytest.mark.parametrize("topic", ["", "Broadcast", "a b", "a/b", "x" * 65, "a\n"])
    def test_a_bad_topic_is_refused(self, made: Queue[Any], topic: str) -> None:
        with pytest.raises(ValueError, match="topic"):
            made.notify(topic)

    def test_stop_ends_listening_soon(self, made: Queue[Any]) -> None:
        with listening(made, ["broadcast"]) as heard:
            assert hears(made, heard, "broadcast"), UNHEARD
            began = time.monotonic()
        assert time.monotonic() - began < DEADLINE / 2, "listen() returns soon after stop is set"

    def test_closing_twice_is_fine(self, made: Queue[Any]) -> None:
        made.notify("broadcast")
        made.close()
        made.close()


@contextmanager
def listening(
    queue: Queue[Any], topics: list[str], *, sweep_seconds: float = 3600.0, handle: Any = None
) -> Iterator[Heard]:
    """Listen on a thread for the length of the block."""
    heard = Heard()
    stop = threading.Event()
    thread = threading.Thread(
        target=queue.listen, args=(topics, handle or heard, stop, sweep_seconds), name="listener"
    )
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join(DEADLINE)
        assert not thread.is_alive(), "listen() did not return after stop was set"


def hears(queue: Queue[Any], heard: Heard, topic: str) -> bool:
    """Notify until the listener, which may still be starting, has heard it on top of its first look."""
    before = heard.count(topic) + 1
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        queue.notify(topic)
        if heard.reaches(topic, before + 1, 0.05):
            return True
        if heard.count(topic) == before and before == 1:
            before = 0  # this queue does not look at once; what was heard was the notification
    return heard.count(topic) > before
