"""The signatures of Standard Webhooks: HMAC-SHA256 under secrets that only the receiver and we know."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime

import msgspec

from courierx_core.ports.driver import Secret
from courierx_core.secrets import SecretBox
from courierx_core.webhooks.model import OVERLAP

PREFIX = "whsec_"


class Kept(msgspec.Struct, frozen=True):
    """A signing secret as it lies encrypted; `until` is when a rotated one ends."""

    secret: str
    until: datetime | None = None


def new_secret() -> Secret:
    """Make a secret of 256 bits, as receivers' libraries take it."""
    return Secret(PREFIX + b64encode(secrets.token_bytes(32)).decode("ascii"))


def sealed(box: SecretBox, secret: Secret) -> bytes:
    return box.encrypt(msgspec.json.encode([Kept(secret.reveal())]))


def rotated(box: SecretBox, kept: bytes, new: Secret, now: datetime) -> bytes:
    """Put a new secret before the present one, which signs beside it for a day more; older ones end."""
    present = msgspec.structs.replace(_opened(box, kept)[0], until=now + OVERLAP)
    return box.encrypt(msgspec.json.encode([Kept(new.reveal()), present]))


def signing(box: SecretBox, kept: bytes, now: datetime) -> Sequence[Secret]:
    """Return the secrets that sign now, the newest first. Raises ConfigError where the key is another."""
    return [Secret(each.secret) for each in _opened(box, kept) if each.until is None or now < each.until]


def headers(secrets_: Sequence[Secret], webhook_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Sign `id.timestamp.body` under each secret."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join((webhook_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets_),
    }


def _opened(box: SecretBox, kept: bytes) -> list[Kept]:
    return msgspec.json.decode(box.decrypt(kept), type=list[Kept])


def _signature(secret: Secret, signed: bytes) -> str:
    key = b64decode(secret.reveal().removeprefix(PREFIX))
    return b64encode(hmac.digest(key, signed, hashlib.sha256)).decode("ascii")
