"""The belt: nothing is lost between committer and sender, however the sender ends."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.delivery.feed import BATCH, Feed, Intended, boottime, short_of
from courierx_core.delivery.judge import Unrendered
from courierx_core.errors import RenderError
from courierx_core.messages.model import Recipient
from courierx_core.ports.transport import Accepted, Deferred, Envelope, TransportDown, Uncertain
from courierx_core.testing.envelopes import FakeEnvelope


class Plain:
    """A message without a word in it, which cannot be rendered for some."""

    def __init__(self, failing: Collection[int] = (), error: Exception | None = None) -> None:
        self.failing, self.error = failing, error or RenderError("no such thing")

    def envelopes(self, recipients: Sequence[Recipient], *, eager: bool) -> list[FakeEnvelope]:
        if any(each.id in self.failing for each in recipients):
            raise self.error
        return [FakeEnvelope(each.id, each.address) for each in recipients]


def copies(*ids: int, of: Plain | None = None) -> list[Intended]:
    of = of or Plain()
    return [Intended(of, Recipient(i, 1, f"person{i}@example.com", "queued")) for i in ids]


def taken(feed: Feed) -> list[int]:
    """Take whatever is there to be taken."""
    feed.finish()
    return [envelope.id for envelope in feed if envelope is not None]


@pytest.fixture
def feed() -> Feed:
    return Feed(threading.Event())


def test_it_gives_what_was_pushed_then_none_while_answers_are_open(feed: Feed) -> None:
    feed.push(copies(1))
    assert next(feed).id == 1  # type: ignore[union-attr]
    assert next(feed) is None
    assert feed.starved
    assert feed.news.is_set()


def test_a_dry_belt_wakes_the_run_once_until_it_is_filled(feed: Feed) -> None:
    feed.push(copies(1))
    next(feed)
    assert next(feed) is None
    feed.news.clear()
    assert next(feed) is None
    assert not feed.news.is_set()


def test_a_belt_is_short_of_a_step_until_that_many_answers_came(feed: Feed) -> None:
    feed.step = 2
    assert not short_of(2, [feed]), "no answer will come"
    feed.push(copies(1, 2, 3))
    assert short_of(2, [feed]), "what is on the belt will be answered, though nothing is handed over yet"
    for _ in range(3):
        next(feed)
    feed.answer(Accepted(1))
    assert short_of(2, [feed])
    feed.news.clear()
    feed.answer(Accepted(2))
    assert not short_of(2, [feed])
    assert feed.news.is_set()


def test_the_answers_of_all_belts_make_a_step(feed: Feed) -> None:
    other = Feed(feed.news)
    for each in (feed, other):
        each.push(copies(1, 2))
        next(each)
        each.answer(Accepted(1))
    assert short_of(3, [feed, other])
    assert not short_of(2, [feed, other])


def test_the_last_answer_there_can_be_wakes_the_run(feed: Feed) -> None:
    feed.step = 3
    feed.push(copies(1, 2))
    for _ in range(3):
        next(feed)
    feed.news.clear()
    feed.answer(Accepted(1))
    assert not feed.news.is_set()
    feed.answer(Accepted(2))
    assert feed.news.is_set()


def test_nobody_waits_for_more_answers_of_a_sender_that_is_gone(feed: Feed) -> None:
    feed.step = 2
    feed.push(copies(1))
    next(feed)
    next(feed)
    assert short_of(2, [feed])
    feed.close(None)
    assert not short_of(2, [feed])


def test_finished_it_ends(feed: Feed) -> None:
    feed.push(copies(1))
    feed.finish()
    assert [e.id for e in feed if e is not None] == [1]


def test_an_answer_counts_once_and_only_for_what_is_open(feed: Feed) -> None:
    feed.push(copies(1))
    next(feed)
    for receipt in (Accepted(2), Accepted(1), Accepted(1)):
        feed.answer(receipt)
    assert list(feed.answers) == [Accepted(1)]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(TransportDown("refused", 7.0), Deferred), (RuntimeError("bug"), Uncertain), (None, Uncertain)],
)
def test_what_is_open_when_the_sender_ends_is_answered(
    feed: Feed, failure: Exception | None, kind: type
) -> None:
    feed.push(copies(1, 2, 3))
    next(feed)
    next(feed)
    feed.answer(Accepted(1))
    feed.close(failure)
    assert feed.over
    assert [type(a) for a in feed.answers] == [Accepted, kind]
    assert [left.recipient.id for left in feed.take_back()] == [3]


def test_past_its_lease_nothing_more_is_handed_over(feed: Feed) -> None:
    feed.push(copies(1))
    feed.deadline = boottime() - 1
    with pytest.raises(StopIteration):
        next(feed)
    assert [left.recipient.id for left in feed.take_back()] == [1]


def test_what_was_made_ahead_is_taken_back_too(feed: Feed) -> None:
    everybody = range(1, BATCH + 5)
    feed.push(copies(*everybody))
    assert next(feed).id == 1  # type: ignore[union-attr]
    feed.deadline = boottime() - 1
    with pytest.raises(StopIteration):
        next(feed)
    feed.close(None)
    assert [left.recipient.id for left in feed.take_back()] == list(everybody)[1:]
    assert [answer.id for answer in feed.answers] == [1]


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=3 * BATCH))
def test_whoever_cannot_be_rendered_for_holds_up_nobody_else(people: list[tuple[int, bool]]) -> None:
    feed = Feed(threading.Event())
    failing = [number for number, (_, fails) in enumerate(people) if fails]
    messages = [Plain(failing) for _ in range(3)]
    for number, (message, _) in enumerate(people):
        feed.push(copies(number, of=messages[message]))
    assert taken(feed) == [number for number in range(len(people)) if number not in failing]
    assert list(feed.answers) == [Unrendered(number, "no such thing") for number in failing]


@given(st.sets(st.integers(1, 2 * BATCH), min_size=1))
def test_a_bug_in_rendering_loses_nobody(failing: set[int]) -> None:
    feed = Feed(threading.Event())
    everybody = range(1, 2 * BATCH + 1)
    feed.push(copies(*everybody, of=Plain(failing, ZeroDivisionError())))
    handed_over: list[Envelope | None] = []
    with pytest.raises(ZeroDivisionError):
        handed_over.extend(feed)
    feed.close(ZeroDivisionError())
    put_back = [left.recipient.id for left in feed.take_back()]
    answered = [answer.id for answer in feed.answers]
    assert sorted(answered + put_back) == list(everybody)
    assert answered == [envelope.id for envelope in handed_over if envelope]
