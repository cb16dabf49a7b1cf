"""Turn what a transport said about an envelope into the row's new state and its next attempt. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from courierx_core.courier import Policy
from courierx_core.delivery.model import REFUSED, DeliveryState
from courierx_core.messages.model import Message, Recipient
from courierx_core.ports.ledger import FollowUp, Outcome
from courierx_core.ports.transport import Accepted, Deferred, Receipt, Refused, Uncertain
from courierx_core.words import storable

REFUSAL_SECONDS = 1.0
"""When a refusal is told: of a message that is being sent as many together as come meanwhile."""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One delivery under way: `number` is its item's attempt, from 1."""

    recipient: Recipient
    message: Message
    item_id: int
    number: int
    transport: str

    def ends(
        self,
        state: DeliveryState,
        *,
        tries: int = 1,
        reason: str = "",
        status: str | None = None,
        reply: str = "",
        stage: str = "",
        provider_id: str = "",
    ) -> Outcome:
        """Make the outcome that leaves the row in `state`."""
        to = self.recipient
        # Nearly always all words but the reply are empty, and asking is quicker than calling.
        return Outcome(
            to.id, self.item_id, to.message_id, state, self.number, to.state, tries,
            storable(reason) if reason else "", storable(status) if status else "",
            storable(provider_id) if provider_id else "", storable(reply), stage, self.transport,
        )  # fmt: skip

    def put_back(self, *, status: str | None = None, reply: str = "") -> Outcome:
        """Make the outcome that leaves the row as it was: nothing was spent."""
        return self.ends(self.recipient.state, tries=0, status=status, reply=reply)


class Verdict(NamedTuple):
    """An outcome, the seconds until its next attempt (None: none), why the message must pause, and why
    the transport must, for everybody."""

    outcome: Outcome
    retry_in: float | None = None
    pause: str = ""
    stop: str = ""


def retry_delay(policy: Policy, tries: int) -> float | None:
    """Return the seconds to wait after the `tries`-th deferral (>= 1); None when it is time to give up:
    the waits so far and the next one would pass `retry_until`."""
    schedule = policy.retry_schedule
    waited = sum(schedule[: tries - 1]) + policy.retry_tail * max(0, tries - 1 - len(schedule))
    delay = schedule[tries - 1] if tries <= len(schedule) else policy.retry_tail
    return None if waited + delay > policy.retry_until else delay


class Unrendered(msgspec.Struct, frozen=True):
    """In place of a receipt: the message could not be rendered for this recipient, so it was not sent."""

    id: int
    why: str


def judge(
    receipt: Receipt | Unrendered,
    attempt: Attempt,
    policy: Policy,
    now: datetime,
    rest: float,
    *,
    elsewhere: bool = False,
) -> Verdict:
    """Decide one receipt. Scopes "sender" and "transport" cost the recipient nothing: put back, due when
    the transport has had its `rest` (seconds); at once where the transport is at fault and the message can
    go `elsewhere`. What is uncertain never goes elsewhere: it may have arrived."""
    if isinstance(receipt, Accepted):
        return Verdict(attempt.ends("accepted", provider_id=receipt.provider_id, reply=receipt.reply))
    if isinstance(receipt, Uncertain):
        return Verdict(attempt.ends("uncertain", reason=receipt.why, stage=receipt.stage))
    if isinstance(receipt, Unrendered):
        return Verdict(attempt.ends("failed", tries=0, reason=f"cannot render: {receipt.why}"))
    if isinstance(receipt, Deferred):
        return _deferred(receipt, attempt, policy, now, rest, elsewhere)
    return _refused(receipt, attempt, rest, elsewhere)


def _refused(receipt: Refused, attempt: Attempt, rest: float, elsewhere: bool) -> Verdict:
    status, reply = receipt.status, receipt.reply
    if receipt.scope == "recipient":
        return Verdict(attempt.ends("bounced", status=status, reply=reply))
    if receipt.scope == "message":
        return Verdict(attempt.ends("rejected", status=status, reply=reply))
    if receipt.scope == "transport":
        delay = 0.0 if elsewhere else rest
        return Verdict(attempt.put_back(status=status, reply=reply), delay, stop=storable(reply))
    why = f"{attempt.transport} refused the {receipt.scope}: {storable(reply, 200)}"
    return Verdict(attempt.put_back(status=status, reply=reply), rest, why)


def _deferred(
    receipt: Deferred, attempt: Attempt, policy: Policy, now: datetime, rest: float, elsewhere: bool
) -> Verdict:
    status, reply = receipt.status, receipt.reply
    if receipt.scope == "transport" and elsewhere:
        return Verdict(attempt.put_back(status=status, reply=reply), 0.0)
    if receipt.scope in ("sender", "transport"):
        return Verdict(attempt.put_back(status=status, reply=reply), max(rest, receipt.retry_after or 0.0))
    planned = retry_delay(policy, attempt.recipient.tries + 1)
    delay = max(planned or 0.0, receipt.retry_after or 0.0)
    expires = attempt.message.expires_at
    if planned is None:
        why = "expired: deferred to the last retry"
    elif expires is not None and now + timedelta(seconds=delay) > expires:
        why = "expired: the next retry is too late"
    else:
        return Verdict(attempt.ends("deferred", status=status, reply=reply), delay)
    return Verdict(attempt.ends("failed", reason=why, status=status, reply=reply))


def follow_ups(verdicts: Iterable[Verdict], messages: dict[int, Message]) -> Sequence[FollowUp]:
    """Gather what is to be tried again, and what is to be told as refused, into list items: one per message,
    attempt and delay, ids in order."""
    groups: defaultdict[tuple[int, int, float, Literal["send", "refusal"]], list[int]] = defaultdict(list)
    for verdict in verdicts:
        outcome, retry_in = verdict.outcome, verdict.retry_in
        if retry_in is not None:
            groups[outcome.message_id, outcome.attempt + 1, retry_in, "send"].append(outcome.id)
        elif outcome.state in REFUSED:
            groups[outcome.message_id, 1, REFUSAL_SECONDS, "refusal"].append(outcome.id)
    return [
        FollowUp(message_id, messages[message_id].stream, tuple(sorted(ids)), attempt, delay, topic)
        for (message_id, attempt, delay, topic), ids in groups.items()
    ]
