"""What Pigeon Post says later: a JSON webhook with `Pigeon-Signature: t=<unix time>,v1=<hex>`.

The signature is HMAC-SHA256 with the webhook secret over `<t>.<body>`; one older than five minutes is a
replay.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from courierx_core import (
    BounceClass,
    Feedback,
    FeedbackKind,
    FeedbackSource,
    Forbidden,
    HttpRequest,
    InvalidInput,
)
from courierx_pigeon.config import PigeonConfig

FRESH_SECONDS = 300

KINDS: Mapping[str, FeedbackKind] = {
    "letter.delivered": "delivered",
    "letter.returned": "bounced",
    "letter.late": "deferred",
    "letter.unwanted": "complained",
}
CLASSES: Mapping[str, BounceClass] = {"moved": "hard", "full": "soft", "closed": "policy"}


class PigeonFeedback(FeedbackSource[PigeonConfig]):
    Config: ClassVar[type[Any]] = PigeonConfig

    def verify(self, request: HttpRequest) -> None:
        secret = self.config.webhook_secret.reveal()
        stamp, given = _parts(request.headers.get("pigeon-signature", ""))
        if not secret or not stamp:
            raise Forbidden("The webhook is not signed, or PIGEON_WEBHOOK_SECRET is not set.")
        if not hmac.compare_digest(signature(secret, stamp, request.body), given):
            raise Forbidden("The webhook's signature does not verify.")
        if abs(self.runtime.now().timestamp() - int(stamp)) > FRESH_SECONDS:
            raise Forbidden("The webhook is too old to be believed.")

    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        try:
            return [_feedback(event) for event in json.loads(request.body)["events"]]
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            why = f"is no Pigeon Post webhook: {type(problem).__name__}"
            raise InvalidInput.of("events", "invalid", why) from problem


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Return the hex of the signature over a body at a time."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _parts(header: str) -> tuple[str, str]:
    """Split `t=...,v1=...`; two empty texts when it is not of that form."""
    given = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp, signed = given.get("t", ""), given.get("v1", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12 and signed.isascii()):
        return "", ""
    return stamp, signed


def _feedback(event: Mapping[str, Any]) -> Feedback:
    at = datetime.fromisoformat(event["at"])
    if at.tzinfo is None:
        raise ValueError("the time has no offset")
    return Feedback(
        kind=KINDS.get(event["type"], "other"),
        at=at,
        event_id=str(event["id"]),
        send_id=str(event.get("reference", "")),
        provider_id=str(event.get("letter", "")),
        recipient=str(event.get("to", "")),
        reply=str(event.get("words", "")),
        bounce=CLASSES.get(event.get("why", "")),
        raw=json.dumps(event),
    )
