"""The feedback source `postmark`: its webhooks, which have no signature but the password in their URL.

record               kind            its time       its words
Delivery             delivered       DeliveredAt    Details
Bounce               by its Type     BouncedAt      Description, Details
SpamComplaint        complained      BouncedAt
Open                 opened          ReceivedAt
Click                clicked         ReceivedAt
SubscriptionChange   unsubscribed    ChangedAt      when the recipient asked for no more
anything else        other
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from courierx_core import BounceClass, Feedback, FeedbackKind, FeedbackSource, Forbidden, HttpRequest
from courierx_providers.events import an_object, decoded, moment, number, section, text
from courierx_providers.fields import SEND_ID_KEY
from courierx_providers.postmark import PostmarkConfig

KINDS: Mapping[str, FeedbackKind] = {
    "Delivery": "delivered", "Bounce": "bounced", "SpamComplaint": "complained", "Open": "opened",
    "Click": "clicked", "SubscriptionChange": "other",
}  # fmt: skip
BOUNCE_KINDS: Mapping[str, FeedbackKind] = {
    "Transient": "deferred", "SpamComplaint": "complained", "Unsubscribe": "unsubscribed",
    "Subscribe": "other", "AutoResponder": "other", "AddressChange": "other",
    "ChallengeVerification": "other", "OpenRelayTest": "other",
}  # fmt: skip
"""Postmark calls more than bounces so; any other Type is one."""
CLASSES: Mapping[str, BounceClass] = {
    "HardBounce": "hard", "BadEmailAddress": "hard", "SoftBounce": "soft", "DnsError": "soft",
    "Blocked": "policy", "SpamNotification": "policy", "VirusNotification": "policy",
    "DMARCPolicy": "policy", "ManuallyDeactivated": "policy",
}  # fmt: skip
"""Of the rest the server's words decide."""
TIMES = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")


class PostmarkFeedback(FeedbackSource[PostmarkConfig]):
    Config: ClassVar[type[Any]] = PostmarkConfig

    def verify(self, request: HttpRequest) -> None:
        wanted = self.config.webhook_password.reveal().encode()
        given = _password(request.headers.get("authorization", ""))
        if not wanted or not hmac.compare_digest(wanted, given):
            raise Forbidden("The password is not POSTMARK_WEBHOOK_PASSWORD, or that is not set.")

    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        event = an_object(decoded(request.body))
        time = next((name for name in TIMES if event.get(name)), "BouncedAt")
        kind = _kind(event)
        details = text(event.get("Details"))
        return [
            Feedback(
                kind=kind,
                at=moment(event.get(time), time),
                event_id=number(event.get("ID", "")),
                send_id=text(section(event.get("Metadata")).get(SEND_ID_KEY)),
                provider_id=text(event.get("MessageID")),
                recipient=text(event.get("Recipient")) or text(event.get("Email")),
                reply=details or text(event.get("Description")) or text(event.get("SuppressionReason")),
                bounce=CLASSES.get(text(event.get("Type"))) if kind == "bounced" else None,
                url=text(event.get("OriginalLink")),
                user_agent=text(event.get("UserAgent")),
                raw=request.body.decode("utf-8", "replace"),
            )
        ]


def _kind(event: Mapping[str, Any]) -> FeedbackKind:
    record = text(event.get("RecordType"))
    if record == "Bounce":
        return BOUNCE_KINDS.get(text(event.get("Type")), "bounced")
    if record == "SubscriptionChange" and event.get("SuppressSending") is True:
        asked = event.get("SuppressionReason") == "ManualSuppression" and event.get("Origin") == "Recipient"
        return "unsubscribed" if asked else "other"
    return KINDS.get(record, "other")


def _password(header: str) -> bytes:
    """Return the password of HTTP Basic authentication (RFC 7617), empty where there is none."""
    scheme, _, encoded = header.partition(" ")
    try:
        return b64decode(encoded, validate=True).partition(b":")[2] if scheme.lower() == "basic" else b""
    except ValueError:
        return b""
