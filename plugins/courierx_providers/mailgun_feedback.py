"""The feedback source `mailgun`: its webhooks. The signature covers the time and a token, not the event.

event                its words                            kind
accepted                                                  accepted
delivered            delivery-status                      delivered
failed, temporary    delivery-status                      deferred
failed, permanent    delivery-status, reason              bounced
rejected             reject.reason                        rejected
opened, clicked, unsubscribed, complained                 the same
anything else                                             other
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from courierx_core import BounceClass, Feedback, FeedbackKind, FeedbackSource, Forbidden, HttpRequest
from courierx_providers.events import an_object, decoded, is_fresh, moment, number, section, text
from courierx_providers.fields import SEND_ID_KEY
from courierx_providers.mailgun import MailgunConfig

FRESH = timedelta(hours=12)
"""Mailgun tries for eight hours. A replay changes nothing, because events are applied once."""
KINDS: Mapping[str, FeedbackKind] = {
    "accepted": "accepted", "delivered": "delivered", "failed": "bounced", "rejected": "rejected",
    "opened": "opened", "clicked": "clicked", "unsubscribed": "unsubscribed", "complained": "complained",
}  # fmt: skip
CLASSES: Mapping[str, BounceClass] = {
    "suppress-bounce": "hard", "suppress-complaint": "policy", "suppress-unsubscribe": "policy",
    "old": "soft",
}  # fmt: skip
"""What Mailgun's own reason says; of the rest the server's words decide."""


class MailgunFeedback(FeedbackSource[MailgunConfig]):
    Config: ClassVar[type[Any]] = MailgunConfig

    def verify(self, request: HttpRequest) -> None:
        key = self.config.signing_key.reveal()
        if not key or not request.body:
            raise Forbidden("The webhook is empty, or MAILGUN_SIGNING_KEY is not set.")
        proof = section(an_object(decoded(request.body)).get("signature"))
        stamp = number(proof.get("timestamp"))
        wanted = hmac.new(key.encode(), _bytes(stamp + text(proof.get("token"))), hashlib.sha256)
        given = text(proof.get("signature"))
        if not stamp or not hmac.compare_digest(wanted.hexdigest().encode(), _bytes(given)):
            raise Forbidden("The webhook's signature does not verify.")
        if not is_fresh(stamp, self.runtime.now(), FRESH):
            raise Forbidden("The webhook is too old to be believed, or of the future.")

    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        event = an_object(an_object(decoded(request.body)).get("event-data"), "event-data")
        status = section(event.get("delivery-status"))
        kind = KINDS.get(text(event.get("event")), "other")
        if kind == "bounced" and event.get("severity") == "temporary":
            kind = "deferred"
        client = section(event.get("client-info"))
        headers = section(section(event.get("message")).get("headers"))
        return [
            Feedback(
                kind=kind,
                at=moment(event.get("timestamp"), "timestamp"),
                event_id=text(event.get("id")),
                send_id=text(section(event.get("user-variables")).get(SEND_ID_KEY)),
                provider_id=text(headers.get("message-id")).strip("<>"),
                recipient=text(event.get("recipient")),
                status=text(status.get("enhanced-code")),
                reply=_reply(event, status),
                bounce=CLASSES.get(text(event.get("reason"))) if kind == "bounced" else None,
                url=text(event.get("url")),
                user_agent=text(client.get("user-agent")),
                machine=bool(client.get("bot")),
                raw=msgspec.json.encode(event).decode(),
            )
        ]


def _reply(event: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    words = text(status.get("message")) or text(status.get("description"))
    words = words or text(section(event.get("reject")).get("reason")) or text(event.get("reason"))
    return f"{number(status.get('code'))} {words}".strip()


def _bytes(given: str) -> bytes:
    return given.encode("utf-8", "replace")
