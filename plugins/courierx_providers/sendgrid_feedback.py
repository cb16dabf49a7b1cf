"""The feedback source `sendgrid`: its event webhook, many events in one request, signed with ECDSA.

event                              kind           its words
processed                          accepted
delivered                          delivered      response
deferred                           deferred       response
bounce                             bounced        reason, status
dropped, the address had bounced   bounced, hard  reason
dropped                            rejected       reason
spamreport                         complained
unsubscribe, group_unsubscribe     unsubscribed
open                               opened
click                              clicked
anything else                      other
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from courierx_core import Feedback, FeedbackKind, FeedbackSource, Forbidden, HttpRequest, InvalidInput
from courierx_providers.events import an_object, decoded, is_fresh, moment, text
from courierx_providers.fields import SEND_ID_KEY
from courierx_providers.sendgrid import SendgridConfig

FRESH = timedelta(days=1)
"""SendGrid tries for a day. A replay changes nothing, because events are applied once."""
KINDS: Mapping[str, FeedbackKind] = {
    "processed": "accepted", "delivered": "delivered", "deferred": "deferred", "bounce": "bounced",
    "dropped": "rejected", "spamreport": "complained", "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed", "open": "opened", "click": "clicked",
}  # fmt: skip
HAD_BOUNCED = ("bounced address", "invalid")
_ADDED = re.compile(r"\.(?:filter|recvd)")
"""Where what SendGrid adds to a message id begins, in its events."""


class SendgridFeedback(FeedbackSource[SendgridConfig]):
    Config: ClassVar[type[Any]] = SendgridConfig

    def verify(self, request: HttpRequest) -> None:
        signature, stamp = (
            request.headers.get(f"x-twilio-email-event-webhook-{name}", "")
            for name in ("signature", "timestamp")
        )
        if not self.config.webhook_public_key or not signature:
            raise Forbidden("The webhook is not signed, or SENDGRID_WEBHOOK_PUBLIC_KEY is not set.")
        try:
            key = load_der_public_key(b64decode(self.config.webhook_public_key))
            if not isinstance(key, ec.EllipticCurvePublicKey):
                raise Forbidden("SENDGRID_WEBHOOK_PUBLIC_KEY is not a key of the kind that SendGrid has.")
            said = stamp.encode("utf-8", "replace") + request.body
            key.verify(b64decode(signature, validate=True), said, ec.ECDSA(hashes.SHA256()))
        except (ValueError, InvalidSignature, UnsupportedAlgorithm) as problem:
            raise Forbidden("The webhook's signature does not verify.") from problem
        if not is_fresh(stamp, self.runtime.now(), FRESH):
            raise Forbidden("The webhook is too old to be believed, or of the future.")

    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        events = decoded(request.body)
        if not isinstance(events, list):
            raise InvalidInput.of("body", "invalid", "is no list of events")
        return [_feedback(an_object(event, f"body[{place}]")) for place, event in enumerate(events)]


def _feedback(event: Mapping[str, Any]) -> Feedback:
    kind = KINDS.get(text(event.get("event")), "other")
    reason = text(event.get("reason"))
    had_bounced = kind == "rejected" and reason.lower() in HAD_BOUNCED
    return Feedback(
        kind="bounced" if had_bounced else kind,
        at=moment(event.get("timestamp"), "timestamp"),
        event_id=text(event.get("sg_event_id")),
        send_id=text(event.get(SEND_ID_KEY)),
        provider_id=_ADDED.split(text(event.get("sg_message_id")), maxsplit=1)[0],
        recipient=text(event.get("email")),
        status=text(event.get("status")),
        reply=text(event.get("response")) or reason,
        bounce="hard" if had_bounced else None,
        url=text(event.get("url")),
        user_agent=text(event.get("useragent")),
        machine=event.get("sg_machine_open") is True,
        raw=msgspec.json.encode(event).decode(),
    )
