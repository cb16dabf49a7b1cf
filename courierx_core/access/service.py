"""Use cases of keys: make, rotate, list, revoke, and know one again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from courierx_core.access.model import ApiKey, key_matches, key_text, new_secret, parse_key
from courierx_core.checking import Checks
from courierx_core.errors import Conflict, InvalidInput, NotFound
from courierx_core.keep import Keep, nothing
from courierx_core.ports.driver import utcnow
from courierx_core.ports.platform import PlatformUnit
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.scopes import ABOVE_TENANTS, SCOPES
from courierx_core.tenants import service as tenants

OVERLAP_SECONDS = 24 * 3600
"""How long a rotated key goes on working, unless told otherwise."""

OVERLAP_MAX = 30 * 24 * 3600

_TOUCH_EVERY = timedelta(minutes=1)

NewKey: TypeAlias = tuple[ApiKey, str]
"""A key that was just made, and its text, which is shown this once."""


def create_key(
    store: Store[Any],
    *,
    tenant_id: int | None = None,
    name: str = "",
    scopes: Sequence[str] = (),
    expires_at: datetime | None = None,
    now: datetime | None = None,
    keep: Keep[NewKey] = nothing,
) -> NewKey:
    """Make a key; without a tenant it is a platform key. Return it and its text, which is kept nowhere.

    Raises InvalidInput with every bad field, NotFound for an unknown tenant.
    """
    checks = Checks()
    name = checks.text("name", name, longest=200, required=False)
    for at, scope in enumerate(scopes):
        if scope not in SCOPES:
            checks.add(f"scopes[{at}]", "unknown", f"{scope!r} is not one of: {', '.join(SCOPES)}")
        elif scope in ABOVE_TENANTS and tenant_id is not None:
            checks.add(f"scopes[{at}]", "not_allowed", "a tenant's key cannot stand above tenants")
    if expires_at is not None:
        if expires_at.tzinfo is None:
            checks.add("expires_at", "naive", "takes a time with its offset from UTC")
        elif expires_at <= (now or utcnow()):
            checks.add("expires_at", "in_the_past", "must be later than now")
    checks.done()
    secret, digest = new_secret()
    key = ApiKey(
        tenant_id=tenant_id,
        name=name,
        scopes=tuple(dict.fromkeys(scopes)),
        digest=digest,
        expires_at=expires_at,
    )
    with _holding(store, tenant_id) as unit:
        key = unit.keys.add(key)
        made = (key, key_text(key.id, secret))
        keep(unit, made)
    return made


def rotate_key(
    store: Store[Any],
    key_id: int,
    tenant_id: int | None = None,
    *,
    overlap_seconds: int = OVERLAP_SECONDS,
    now: datetime,
    keep: Keep[NewKey] = nothing,
) -> NewKey:
    """Make a key that may do the same, and let the old one end after the overlap (0: at once).

    The new one lives as long as the old one was made to. With a tenant only that tenant's key. Raises
    NotFound, InvalidInput for an overlap out of range, Conflict for a key that works no more.
    """
    if not 0 <= overlap_seconds <= OVERLAP_MAX:
        raise InvalidInput.of("overlap_seconds", "out_of_range", f"takes 0 to {OVERLAP_MAX}")
    old = find_key(store, key_id, tenant_id)
    ends = now + timedelta(seconds=overlap_seconds)
    secret, digest = new_secret()
    lifetime = old.expires_at - old.created_at if old.expires_at and old.created_at else None
    new = ApiKey(
        tenant_id=old.tenant_id,
        name=old.name,
        scopes=old.scopes,
        digest=digest,
        expires_at=now + lifetime if lifetime else None,
    )
    with _holding(store, old.tenant_id) as unit:
        keys = unit.keys
        old = keys.get(key_id)
        if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
            raise Conflict(f"Key {key_id} works no more; make a new one.")
        added = keys.add(new)
        made = (added, key_text(added.id, secret))
        if overlap_seconds == 0:
            keys.revoke(key_id)
        elif old.expires_at is None or old.expires_at > ends:
            keys.expire(key_id, ends)
        keep(unit, made)
    return made


def list_keys(store: Store[Any], tenant_id: int | None = None) -> Sequence[ApiKey]:
    """List one tenant's keys, or the platform's; newest first."""
    if tenant_id is None:
        with store.platform() as platform:
            return [key for key in platform.keys.list() if key.tenant_id is None]
    with store.begin(tenant_id, write=False) as unit:
        return unit.keys.list()


def revoke_key(store: Store[Any], key_id: int, tenant_id: int | None = None) -> ApiKey:
    """Revoke a key; it stops working at once. With a tenant only that tenant's. Raises NotFound."""
    with _holding(store, find_key(store, key_id, tenant_id).tenant_id) as unit:
        return unit.keys.revoke(key_id)


def find_key(store: Store[Any], key_id: int, tenant_id: int | None = None) -> ApiKey:
    """Return any key; with a tenant only that tenant's. Raises NotFound."""
    key = store.key(key_id)  # another's costs no statement more than none
    if key is None or (tenant_id is not None and key.tenant_id != tenant_id):
        raise NotFound(f"No API key {key_id}.")
    return key


@contextmanager
def _holding(store: Store[Any], tenant_id: int | None) -> Iterator[UnitOfWork | PlatformUnit]:
    """Open what holds the tenant's keys, or the platform's. Raises NotFound for an unknown tenant."""
    if tenant_id is None:
        with store.platform() as platform:
            yield platform
    else:
        with store.begin(tenant_id) as unit:
            tenants.require(unit)
            yield unit


def authenticate(store: Store[Any], text: str, now: datetime) -> ApiKey | None:
    """Return the key a bearer's text is, None when it is unknown, wrong, expired or revoked."""
    parsed = parse_key(text)
    if parsed is None:
        return None
    key_id, secret = parsed
    key = store.key(key_id)
    if key is None or not key_matches(key, secret, now):
        return None
    if key.last_used_at is None or now - key.last_used_at > _TOUCH_EVERY:
        with store.platform() as unit:
            unit.keys.touch(key_id)
    return key
