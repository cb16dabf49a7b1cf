"""Keys: `cx_<id>_<secret>`, stored as SHA-256, shown once (SECURITY: S13)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from courierx_core.checking import Checks
from courierx_core.errors import NotFound

if TYPE_CHECKING:
    from courierx_core.ports.store import Store

PLATFORM = "platform"
SCOPES = ("read", "write", "send", "keys")
"""What a key may do: look, change, set mail going, manage keys. A key without scopes may do all."""

_TOUCH_EVERY = timedelta(minutes=1)


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without a tenant is a platform key. `digest` is SHA-256 of the secret part."""

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
    return not key.scopes or scope in key.scopes


def create_key(
    store: Store[Any],
    *,
    tenant_id: int | None = None,
    name: str = "",
    scopes: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; without a tenant it is a platform key. Return it and its text, which is kept nowhere.

    Raises InvalidInput with every bad field, NotFound for an unknown tenant.
    """
    checks = Checks()
    name = checks.text("name", name, longest=200, required=False)
    for at, scope in enumerate(scopes):
        if scope not in SCOPES:
            checks.add(f"scopes[{at}]", "unknown", f"{scope!r} is not one of: {', '.join(SCOPES)}")
    checks.done()
    secret, digest = new_secret()
    key = ApiKey(tenant_id=tenant_id, name=name, scopes=tuple(scopes), digest=digest, expires_at=expires_at)
    if tenant_id is None:
        with store.platform() as platform:
            key = platform.keys.add(key)
    else:
        with store.begin(tenant_id) as unit:
            key = unit.keys.add(msgspec.structs.replace(key, tenant_id=unit.tenant.id))
    return key, key_text(key.id, secret)


def list_keys(store: Store[Any], tenant_id: int | None = None) -> Sequence[ApiKey]:
    """List one tenant's keys, or the platform's; newest first."""
    if tenant_id is None:
        with store.platform() as platform:
            return [key for key in platform.keys.list() if key.tenant_id is None]
    with store.begin(tenant_id, write=False) as unit:
        return unit.keys.list()


def revoke_key(store: Store[Any], key_id: int, tenant_id: int | None = None) -> ApiKey:
    """Revoke a key; it stops working at once. With a tenant only that tenant's. Raises NotFound."""
    with store.platform() as platform:
        key = platform.keys.get(key_id)
        if tenant_id is not None and key.tenant_id != tenant_id:
            raise NotFound(f"There is no key {key_id}.")
        if key.tenant_id is None:
            return platform.keys.revoke(key_id)
    with store.begin(key.tenant_id) as unit:
        return unit.keys.revoke(key_id)


def authenticate(store: Store[Any], text: str, now: datetime) -> ApiKey | None:
    """Return the key a bearer's text is, None when it is unknown, wrong, expired or revoked."""
    parsed = parse_key(text)
    if parsed is None:
        return None
    key_id, secret = parsed
    with store.platform() as unit:
        try:
            key = unit.keys.get(key_id)
        except NotFound:
            return None
        if not key_matches(key, secret, now):
            return None
        if key.last_used_at is None or now - key.last_used_at > _TOUCH_EVERY:
            unit.keys.touch(key_id)
    return key


def shown(key: ApiKey) -> dict[str, object]:
    """Return what may be shown of a key: everything but its digest."""
    return {name: value for name, value in msgspec.structs.asdict(key).items() if name != "digest"}
