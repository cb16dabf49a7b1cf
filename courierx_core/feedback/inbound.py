"""Mail that comes back, whoever brings it (a listener, a pipe, a mailbox): bytes in, events out.

Nothing is ever answered: an answer to a bounce is how mail loops begin (RFC 5321 section 4.5.5).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from courierx_core.audience.preferences import unsubscribe
from courierx_core.courier import Courier
from courierx_core.errors import NotFound
from courierx_core.feedback.model import FeedbackKind
from courierx_core.feedback.service import RAW_MAX, named_by, receive
from courierx_core.mail import incoming
from courierx_core.mail.entity import read, readable
from courierx_core.mail.report import Action, Report
from courierx_core.ports.feedback import Feedback

log = logging.getLogger("courierx_core.inbound")

SOURCE = "inbound"

Fate: TypeAlias = Literal[
    "recorded",  # a new event of a delivery, or an unsubscribe
    "repeated",  # the same mail came before
    "not_a_report",  # neither a bounce nor a complaint nor an automatic answer
    "no_token",  # it names no delivery of ours
    "unknown_token",  # it names one that we did not make, or that is gone with its tenant
]
"""What became of a mail that came in; all but the first two were dropped."""

_KINDS: Mapping[Action, FeedbackKind] = {
    "failed": "bounced", "delayed": "deferred", "delivered": "delivered",
}  # fmt: skip


def take_in(courier: Courier, raw: bytes, *, to: str = "") -> Fate:
    """Record what a mail says about one of ours; `to` is the envelope's recipient, '' where it is lost.

    The delivery is the one whose return path or List-Unsubscribe it came to, else the one whose send id it
    holds. Safe to repeat. Raises StoreError: then nothing is stored, and whoever brought the mail keeps it.
    """
    report = incoming.parse(raw)
    if leaver := _leaver(courier, report, raw, to):
        return _leave(courier, report, leaver)
    tokens = [text for text in (incoming.verp_token(to), report.send_id) if text]
    if report.kind == "other" and not report.recipients:
        return _dropped("not_a_report", report)
    target = next((text for text in tokens if named_by(courier, text)), None)
    if target is None:
        return _dropped("unknown_token" if tokens else "no_token", report)
    got = receive(courier, SOURCE, feedback_of(courier, raw, report, target))
    if got.unmatched:  # erased since it was found
        return _dropped("unknown_token", report)
    return "recorded" if got.events else "repeated"


def feedback_of(courier: Courier, raw: bytes, report: Report, send_id: str) -> Sequence[Feedback]:
    """Turn a report into feedback about the delivery of `send_id`; an automatic answer is an event only."""
    name = _name(raw)
    told = Feedback(
        kind="other",
        at=courier.runtime.now(),
        event_id=name,
        send_id=send_id,
        raw=readable(raw[:RAW_MAX], "utf-8"),
    )
    if report.kind == "auto_reply":
        return [msgspec.structs.replace(told, reply="automatic answer")]
    if report.kind == "complaint":
        return [msgspec.structs.replace(told, kind="complained", recipient=report.recipients[0].address)]
    return [
        msgspec.structs.replace(
            told,
            kind=_KINDS[each.action],
            event_id=f"{name}-{place}",
            recipient=each.address,
            status=each.status,
            reply=each.diagnostic,
            bounce=each.bounce,
        )
        for place, each in enumerate(report.recipients)
    ]


def _leaver(courier: Courier, report: Report, raw: bytes, to: str) -> str:
    """Return the token of the mail whose List-Unsubscribe this one answers, '' for any other mail. That it
    holds the token is enough, as it is of a link: whose address it comes from says nothing."""
    if report.kind in ("bounce", "complaint") or report.recipients:
        return ""
    tokens = map(incoming.unsubscribe_token, [to] if to else incoming.sent_to(raw))
    return next((text for text in tokens if text and named_by(courier, text, "unsubscribe")), "")


def _leave(courier: Courier, report: Report, token: str) -> Fate:
    try:
        unsubscribe(courier, token, "unsubscribe", source=SOURCE)
    except NotFound:  # erased since it was found
        return _dropped("unknown_token", report)
    return "recorded"


def _name(raw: bytes) -> str:
    """Name a mail so that a second copy has the same name: what carried it adds fields, and changes none."""
    message = read(raw)
    told = "\n".join(map(message.get, ("message-id", "date", "from", "subject"))).encode("utf-8", "replace")
    body = message.body.replace(b"\r\n", b"\n").strip()
    return hashlib.blake2b(told + body, digest_size=16).hexdigest()


def _dropped(fate: Fate, report: Report) -> Fate:
    log.info("a mail that came in is dropped: %s (%s)", fate, report.kind)
    return fate
