"""API keys: a tenant's own, and the platform's view that authenticates any of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Update, bindparam, func, or_, select, update

from courierx_core.access.model import ApiKey
from courierx_core.errors import Conflict, NotFound
from courierx_sql.accessor import Accessor, insert_into
from courierx_sql.clock import now
from courierx_sql.guard import ABOVE_TENANTS
from courierx_sql.sets import Sets
from courierx_sql.tables import api_keys

TOUCH_SECONDS = 60
"""`last_used_at` is this coarse, so that a busy key does not write on every request."""


class KeyRows:
    """The keys of one tenant."""

    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

    def add(self, key: ApiKey) -> ApiKey:
        added = self._tenant.add(api_keys, _values(key))
        assert added is not None  # there is nothing unique about a key but its id
        return _read(added)

    def get(self, key_id: int) -> ApiKey:
        found = self._tenant.execute(self._tenant.select(api_keys).where(api_keys.c.id == key_id))
        return _one(found.one_or_none(), key_id)

    def list(self) -> Sequence[ApiKey]:
        return [_read(row) for row in self._tenant.execute(_newest(self._tenant.select(api_keys)))]

    def revoke(self, key_id: int) -> ApiKey:
        found = self._tenant.execute(_revoked(self._tenant.update(api_keys), key_id))
        return _one(found.one_or_none(), key_id)

    def expire(self, key_id: int, at: datetime) -> ApiKey:
        found = self._tenant.execute(_expiring(self._tenant.update(api_keys), key_id, at))
        return _one(found.one_or_none(), key_id)

    def touch(self, key_id: int) -> None:
        self._tenant.execute(_touched(self._tenant.update(api_keys), key_id))


_ANY = select(api_keys).where(api_keys.c.id == bindparam("id")).execution_options(**ABOVE_TENANTS)


class PlatformKeyRows:
    """Every key by id; lists the platform's own."""

    def __init__(self, connection: Connection, sets: Sets) -> None:
        self._connection = connection
        self._sets = sets

    def add(self, key: ApiKey) -> ApiKey:
        values = {
            **_values(key),
            "id": self._sets.reserve(self._connection, api_keys.name, 1),
            "tenant_id": key.tenant_id,
            "created_at": now(),
        }
        statement = insert_into(self._connection.dialect.name, api_keys).values(**values).returning(api_keys)
        return _read(self._connection.execute(statement).one())

    def get(self, key_id: int) -> ApiKey:
        return _one(self._connection.execute(_ANY, {"id": key_id}).one_or_none(), key_id)

    def list(self) -> Sequence[ApiKey]:
        statement = _newest(select(api_keys).where(api_keys.c.tenant_id.is_(None)))
        return [_read(row) for row in self._connection.execute(statement.execution_options(**ABOVE_TENANTS))]

    def revoke(self, key_id: int) -> ApiKey:
        return _one(self._run(_revoked(update(api_keys), key_id)), key_id)

    def expire(self, key_id: int, at: datetime) -> ApiKey:
        return _one(self._run(_expiring(update(api_keys), key_id, at)), key_id)

    def touch(self, key_id: int) -> None:
        self._connection.execute(_touched(update(api_keys), key_id).execution_options(**ABOVE_TENANTS))

    def _run(self, statement: Select[Any] | Any) -> Row[Any] | None:
        return self._connection.execute(statement.execution_options(**ABOVE_TENANTS)).one_or_none()


def _values(key: ApiKey) -> dict[str, Any]:
    if not key.digest:
        raise Conflict("A key without a digest would let everyone in; make it with access.new_secret().")
    return {
        "name": key.name,
        "scopes": list(key.scopes),
        "digest": key.digest,
        "expires_at": key.expires_at,
    }


def _read(row: Row[Any]) -> ApiKey:
    return ApiKey(**{**row._mapping, "scopes": tuple(row.scopes), "digest": bytes(row.digest)})


def _one(row: Row[Any] | None, key_id: int) -> ApiKey:
    if row is None:
        raise NotFound(f"No API key {key_id}.")
    return _read(row)


def _newest(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(api_keys.c.id.desc())


def _revoked(statement: Update, key_id: int) -> Any:
    """Keep the first time: revoking twice changes nothing."""
    first = func.coalesce(api_keys.c.revoked_at, now())
    return statement.where(api_keys.c.id == key_id).values(revoked_at=first).returning(api_keys)


def _expiring(statement: Update, key_id: int, at: datetime) -> Any:
    return statement.where(api_keys.c.id == key_id).values(expires_at=at).returning(api_keys)


def _touched(statement: Update, key_id: int) -> Update:
    stale = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < now(-TOUCH_SECONDS))
    return statement.where(api_keys.c.id == key_id, stale).values(last_used_at=now())
