"""The feedback source `resend`: its webhooks, signed as Standard Webhooks are.

type                      kind           its words
email.sent                accepted
email.delivered           delivered
email.delivery_delayed    deferred
email.bounced             bounced        bounce: its type, subType, message, diagnosticCode
email.failed              rejected       failed.reason
email.complained          complained
email.opened              opened
email.clicked             clicked
anything else             other
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from courierx_core import BounceClass, Feedback, FeedbackKind, FeedbackSource, Forbidden, HttpRequest
from courierx_providers.events import an_object, decoded, is_fresh, moment, section, text
from courierx_providers.fields import SEND_ID_KEY, person
from courierx_providers.resend import ResendConfig

FRESH = timedelta(minutes=5)
"""Every attempt is signed anew."""
KINDS: Mapping[str, FeedbackKind] = {
    "email.sent": "accepted", "email.delivered": "delivered", "email.delivery_delayed": "deferred",
    "email.bounced": "bounced", "email.failed": "rejected", "email.complained": "complained",
    "email.opened": "opened", "email.clicked": "clicked",
}  # fmt: skip
REFUSED_CONTENT = ("MessageTooLarge", "ContentRejected", "AttachmentRejected")


class ResendFeedback(FeedbackSource[ResendConfig]):
    Config: ClassVar[type[Any]] = ResendConfig

    def verify(self, request: HttpRequest) -> None:
        key = _key(self.config.webhook_secret.reveal())
        stamp, id = (request.headers.get(f"svix-{name}", "") for name in ("timestamp", "id"))
        if not key or not stamp:
            raise Forbidden("The webhook is not signed, or RESEND_WEBHOOK_SECRET is not set.")
        said = f"{id}.{stamp}.".encode("utf-8", "replace") + request.body
        wanted = b64encode(hmac.new(key, said, hashlib.sha256).digest())
        given = request.headers.get("svix-signature", "").encode("utf-8", "replace").split()
        if not any(hmac.compare_digest(b"v1," + wanted, each) for each in given):
            raise Forbidden("The webhook's signature does not verify.")
        if not is_fresh(stamp, self.runtime.now(), FRESH):
            raise Forbidden("The webhook is too old to be believed, or of the future.")

    def parse(self, request: HttpRequest) -> Iterable[Feedback]:
        event = an_object(decoded(request.body))
        about = section(event.get("data"))
        kind = KINDS.get(text(event.get("type")), "other")
        bounce, failed, click, opened = (
            section(about.get(name)) for name in ("bounce", "failed", "click", "open")
        )
        words = _diagnosis(bounce)
        return [
            Feedback(
                kind=kind,
                at=moment(event.get("created_at"), "created_at"),
                event_id=request.headers.get("svix-id", ""),
                send_id=_send_id(about.get("tags")),
                provider_id=text(about.get("email_id")),
                recipient=_recipient(about.get("to")),
                reply=words or text(bounce.get("message")) or text(failed.get("reason")),
                bounce=_class(bounce, words) if kind == "bounced" else None,
                url=text(click.get("link")),
                user_agent=text(click.get("userAgent")) or text(opened.get("userAgent")),
                raw=request.body.decode("utf-8", "replace"),
            )
        ]


def _key(secret: str) -> bytes:
    """Return the bytes of a secret, `whsec_` and base64; empty where it is none."""
    try:
        return b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return b""


def _send_id(tags: object) -> str:
    """Find our id among the tags, which come as an object or as a list of names and values."""
    if isinstance(tags, list):
        tags = {text(tag.get("name")): tag.get("value") for tag in map(section, tags)}
    return text(section(tags).get(SEND_ID_KEY))


def _recipient(to: object) -> str:
    """Return the one address that a message of ours goes to."""
    first = to[0] if isinstance(to, list) and to else to
    return person(text(first))[1]


def _diagnosis(bounce: Mapping[str, Any]) -> str:
    """Return the words of the recipient's server, which follow their kind: `smtp; 550 ...`."""
    found = bounce.get("diagnosticCode")
    first = text(found[0] if isinstance(found, list) and found else found)
    return first.partition(";")[2].strip() or first


def _class(bounce: Mapping[str, Any], words: str) -> BounceClass | None:
    """Return what the type says of the address; None leaves it to the server's words."""
    kind, sub = text(bounce.get("type")), text(bounce.get("subType"))
    if kind == "Transient":
        return "policy" if sub in REFUSED_CONTENT else "soft"
    known = sub in ("NoEmail", "Suppressed", "OnAccountSuppressionList")
    return "hard" if kind == "Permanent" and (known or not words) else None
