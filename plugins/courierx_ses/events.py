"""What an event of SES says, as feedback.

event                its object       kind         whom it is about         reply
Send                 send             accepted     mail.destination
Delivery             delivery         delivered    recipients               smtpResponse
DeliveryDelay        deliveryDelay    deferred     delayedRecipients        diagnosticCode, delayType
Bounce               bounce           bounced      bouncedRecipients        diagnosticCode, type and subtype
Complaint            complaint        complained   complainedRecipients     complaintFeedbackType
Reject               reject           rejected     mail.destination         reason
Rendering Failure    failure          rejected     mail.destination         errorMessage
Open                 open             opened       mail.destination
Click                click            clicked      mail.destination
Subscription         subscription     unsubscribed mail.destination         when it ends them all
anything else                         other        mail.destination

`eventType` is event publishing's name of it, `notificationType` an identity's. They have no id: an
occurrence is told by its time. Lenient throughout, for Amazon signed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from courierx_core import BounceClass, Feedback, FeedbackKind

SEND_ID_TAG = "courierx_send_id"
"""The message tag that carries our id out, and back."""
SEND_ID_HEADER = "x-courierx-send-id"

EVENTS: Mapping[str, tuple[str, FeedbackKind, str]] = {
    "Send": ("send", "accepted", ""),
    "Delivery": ("delivery", "delivered", "recipients"),
    "DeliveryDelay": ("deliveryDelay", "deferred", "delayedRecipients"),
    "Bounce": ("bounce", "bounced", "bouncedRecipients"),
    "Complaint": ("complaint", "complained", "complainedRecipients"),
    "Reject": ("reject", "rejected", ""),
    "Rendering Failure": ("failure", "rejected", ""),
    "Open": ("open", "opened", ""),
    "Click": ("click", "clicked", ""),
    "Subscription": ("subscription", "other", ""),
}
CLASSES: Mapping[tuple[str, str], BounceClass] = {
    ("Permanent", "NoEmail"): "hard",
    ("Permanent", "Suppressed"): "hard",
    ("Permanent", "OnAccountSuppressionList"): "hard",
    ("Permanent", "UnsubscribedRecipient"): "policy",
    ("Transient", "MessageTooLarge"): "policy",
    ("Transient", "ContentRejected"): "policy",
    ("Transient", "AttachmentRejected"): "policy",
}
"""What SES knows better than the words of the server. Any other Transient is soft; of the rest the server's
words decide, if there are any, because SES calls a refusal by policy Permanent too."""


def feedback_of(text: str, told_at: datetime) -> Sequence[Feedback]:
    """Turn the Message of a notification into feedback; what is no event, such as SES's greeting, is none."""
    try:
        event = msgspec.json.decode(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return []
    if not (isinstance(event, dict) and isinstance(event.get("mail"), dict)):
        return []
    return list(_feedback(event, text, told_at))


def _feedback(event: Mapping[str, Any], text: str, told_at: datetime) -> Iterator[Feedback]:
    mail = _object(event["mail"])
    name = _text(event.get("eventType") or event.get("notificationType"))
    part, kind, people = EVENTS.get(name, ("", "other", ""))
    about = _object(event.get(part))
    at = _time(about.get("timestamp")) or _time(mail.get("timestamp")) or told_at
    told = Feedback(
        kind=_kind(kind, about),
        at=at,
        send_id=_send_id(mail),
        provider_id=_text(mail.get("messageId")),
        reply=_reply(about) or name,
        url=_text(about.get("link")),
        user_agent=_text(about.get("userAgent")),
        raw=text,
    )
    for person in _list(about.get(people)) or _list(mail.get("destination")):
        said = _object(person)
        reply = _text(said.get("diagnosticCode")) or told.reply
        status = _text(said.get("status"))
        yield msgspec.structs.replace(
            told,
            recipient=_text(said.get("emailAddress")) if said else _text(person),
            status=status,
            reply=reply,
            bounce=_class(about, status, _text(said.get("diagnosticCode"))) if kind == "bounced" else None,
        )


def _kind(kind: FeedbackKind, about: Mapping[str, Any]) -> FeedbackKind:
    if kind == "complained" and about.get("complaintFeedbackType") == "not-spam":
        return "other"
    preferences = _object(about.get("newTopicPreferences"))
    return "unsubscribed" if preferences.get("unsubscribeAll") is True else kind


def _class(bounce: Mapping[str, Any], status: str, words: str) -> BounceClass | None:
    """Return what SES's type and subtype say of the address; None leaves it to the server's words."""
    kind, sub = _text(bounce.get("bounceType")), _text(bounce.get("bounceSubType"))
    if known := CLASSES.get((kind, sub)):
        return known
    if kind == "Transient":
        return "soft"
    return "hard" if kind == "Permanent" and not (words or status) else None


def _reply(about: Mapping[str, Any]) -> str:
    names = ("smtpResponse", "reason", "errorMessage", "complaintFeedbackType", "delayType")
    if said := next((_text(about[name]) for name in names if about.get(name)), ""):
        return said
    return " ".join(filter(None, (_text(about.get("bounceType")), _text(about.get("bounceSubType")))))


def _send_id(mail: Mapping[str, Any]) -> str:
    """Find our id: in the tag, else in the header. Whether it is truly ours is its signature's to say."""
    for value in _list(_object(mail.get("tags")).get(SEND_ID_TAG)):
        return _text(value)
    for header in map(_object, _list(mail.get("headers"))):
        if _text(header.get("name")).lower() == SEND_ID_HEADER:
            return _text(header.get("value"))
    return ""


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
