"""Keys: `cx_<id>_<secret>`, stored as SHA-256, shown once (SECURITY: S13)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

import msgspec

from courierx_core.scopes import allowed


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without a tenant is a platform key; one without scopes may do all that its kind can.
    `digest` is SHA-256 of the secret part."""

    id: int = 0
    tenant_id: int | None = None
    name: str = ""
    scopes: tuple[str, ...] = ()
    digest: bytes = b""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


def new_secret() -> tuple[str, bytes]:
    """Return a fresh secret (43 URL-safe characters, 256 bits) and its digest."""
    secret = secrets.token_urlsafe(32)
    return secret, hashlib.sha256(secret.encode()).digest()


def key_text(key_id: int, secret: str) -> str:
    return f"cx_{key_id}_{secret}"


def parse_key(text: str) -> tuple[int, str] | None:
    """Split `cx_<id>_<secret>`; None when it is not of that form."""
    prefix, _, rest = text.partition("_")
    number, _, secret = rest.partition("_")
    if prefix != "cx" or not secret or not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    return int(number), secret


def key_matches(key: ApiKey, secret: str, now: datetime) -> bool:
    """Check the secret in constant time, and that the key is neither revoked nor expired at `now`."""
    same = hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), key.digest)
    return same and key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def allows(key: ApiKey, scope: str) -> bool:
    return scope in scopes_of(key)


def scopes_of(key: ApiKey) -> frozenset[str]:
    """Return everything the key may do."""
    return allowed(key.scopes, platform=key.tenant_id is None)


def shown(key: ApiKey) -> dict[str, object]:
    """Return what may be shown of a key: everything but its digest."""
    return {name: value for name, value in msgspec.structs.asdict(key).items() if name != "digest"}
