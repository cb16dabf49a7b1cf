"""What a receipt means for the row: its state, whether it costs the recipient an attempt, and the retry."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.courier import Policy
from courierx_core.delivery.judge import REFUSAL_SECONDS, Attempt, Verdict, follow_ups, judge, retry_delay
from courierx_core.delivery.model import DeliveryState
from courierx_core.messages.model import Content, Message, Recipient
from courierx_core.ports.transport import Accepted, Deferred, Refused, Uncertain

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
POLICY = Policy()


def attempt(*, tries: int = 0, state: str = "queued", expires_in: float | None = None) -> Attempt:
    expires = None if expires_in is None else NOW + timedelta(seconds=expires_in)
    message = Message(
        id=5,
        tenant_id=1,
        stream="broadcast",
        transport="smtp",
        content=Content(from_email="a@b.example", subject="s"),
        expires_at=expires,
    )
    recipient = Recipient(9, 5, "ann@x.example", state, tries)  # type: ignore[arg-type]
    return Attempt(recipient, message, item_id=3, number=tries + 1, transport="smtp")


def verdict(receipt: object, **kw: object) -> Verdict:
    return judge(receipt, attempt(**kw), POLICY, NOW, 7.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("receipt", "state", "tries"),
    [
        (Accepted(9, "p-1", "250 ok"), "accepted", 1),
        (Refused(9, "550 5.1.1 no", "recipient", "5.1.1"), "bounced", 1),
        (Refused(9, "554 spam", "message"), "rejected", 1),
        (Uncertain(9, "answer", "dropped"), "uncertain", 1),
        (Deferred(9, "450 busy", "recipient", "4.2.1"), "deferred", 1),
        (Deferred(9, "452 too much", "message"), "deferred", 1),
    ],
)
def test_what_is_said_of_the_message_is_recorded(receipt: object, state: str, tries: int) -> None:
    outcome = verdict(receipt).outcome
    assert (outcome.id, outcome.state, outcome.tries, outcome.before) == (9, state, tries, "queued")


@pytest.mark.parametrize(
    "receipt",
    [
        Deferred(9, "421 closing", "transport"),
        Refused(9, "530 authenticate", "transport"),
        Refused(9, "550 5.1.8 bad sender", "sender"),
    ],
)
def test_what_is_said_of_us_puts_the_row_back_and_costs_it_nothing(receipt: object) -> None:
    found = verdict(receipt, state="deferred", tries=2)
    assert found.outcome.state == found.outcome.before == "deferred"
    assert found.outcome.tries == 0
    assert found.retry_in == 7.0
    assert bool(found.pause or found.stop) == isinstance(receipt, Refused)


def test_the_provider_may_ask_for_a_longer_wait_but_not_a_shorter_one() -> None:
    assert verdict(Deferred(9, "450", retry_after=1000)).retry_in == 1000
    assert verdict(Deferred(9, "450", retry_after=1)).retry_in == POLICY.retry_schedule[0]


def test_giving_up_says_why() -> None:
    late = verdict(Deferred(9, "450 still busy"), expires_in=10)
    assert late.outcome.state == "failed"
    assert late.retry_in is None
    assert "expired" in late.outcome.reason
    assert late.outcome.reply == "450 still busy"
    worn_out = verdict(Deferred(9, "450 still busy"), tries=500)
    assert worn_out.outcome.state == "failed"


@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=8), st.floats(1, 1e5), st.floats(1, 1e6))
def test_the_schedule_is_followed_then_its_tail_and_then_it_ends(
    schedule: list[float], tail: float, until: float
) -> None:
    policy = Policy(retry_schedule=tuple(schedule), retry_tail=tail, retry_until=until)
    waited, tries = 0.0, 1
    while (delay := retry_delay(policy, tries)) is not None and tries < 50:
        assert delay == (schedule[tries - 1] if tries <= len(schedule) else tail)
        waited += delay
        tries += 1
        assert waited <= until * (1 + 1e-9)
    if tries < 50:
        following = schedule[tries - 1] if tries <= len(schedule) else tail
        assert waited + following >= until * (1 - 1e-9)


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([None, 60.0, 300.0])), max_size=40))
def test_every_retry_is_in_exactly_one_item_in_order(rows: list[tuple[int, float | None]]) -> None:
    verdicts = []
    for i, (number, delay) in enumerate(rows):
        one = attempt()
        outcome = one.ends("deferred")
        outcome = type(outcome)(
            id=100 - i, item_id=3, message_id=5, state="deferred", attempt=number, before="queued"
        )
        verdicts.append(Verdict(outcome, delay))
    retries = follow_ups(verdicts, {5: attempt().message})
    wanted = sorted(v.outcome.id for v in verdicts if v.retry_in is not None)
    assert sorted(i for retry in retries for i in retry.ids) == wanted
    for retry in retries:
        assert list(retry.ids) == sorted(retry.ids)
        mine = [v for v in verdicts if v.outcome.id in retry.ids]
        assert {v.outcome.attempt + 1 for v in mine} == {retry.attempt}
        assert {v.retry_in for v in mine} == {retry.delay_seconds}


def test_what_is_refused_is_told_in_an_item_of_its_own_and_not_tried_again() -> None:
    states: tuple[DeliveryState, ...] = ("bounced", "accepted", "rejected", "deferred", "failed", "uncertain")
    verdicts = []
    for number, state in enumerate(states, 1):
        outcome = msgspec.structs.replace(attempt().ends(state), id=number)
        verdicts.append(Verdict(outcome, 60.0 if state == "deferred" else None))
    retry, told = sorted(follow_ups(verdicts, {5: attempt().message}), key=lambda each: each.topic != "send")
    assert (retry.topic, retry.ids) == ("send", (4,))
    assert (told.topic, told.ids, told.delay_seconds) == ("refusal", (1, 3), REFUSAL_SECONDS)


# What a server, or a plugin, may say: also what no text column takes, and half of what UTF-8 does.
STRANGE = st.text(st.characters() | st.sampled_from("\0\ud800"), max_size=700)
SCOPES = st.sampled_from(["recipient", "message", "sender", "transport"])


@given(
    st.builds(Accepted, st.just(9), STRANGE, STRANGE)
    | st.builds(Uncertain, st.just(9), st.just("data"), STRANGE)
    | st.builds(Deferred, st.just(9), STRANGE, st.sampled_from(["recipient", "sender", "transport"]), STRANGE)
    | st.builds(Refused, st.just(9), STRANGE, SCOPES, STRANGE)
)
def test_whatever_is_said_can_be_stored(receipt: object) -> None:
    found = verdict(receipt)
    outcome = found.outcome
    for text in (
        outcome.reply, outcome.reason, outcome.status, outcome.provider_id, found.pause, found.stop
    ):  # fmt: skip
        assert "\0" not in text
        text.encode()
    assert max(len(outcome.reply), len(outcome.reason), len(found.stop)) <= 500
