"""Who asks: a tenant's key, a platform key, or anyone on this machine in `--dev`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from anyio.to_thread import run_sync
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Scope

from courierx_app.api.bad_keys import BadKeys
from courierx_app.api.paging import ID_MAX
from courierx_app.api.request_id import request_id
from courierx_app.api.scopes import is_public, scope_of
from courierx_app.client_address import Network, client_address, source
from courierx_core.access.model import ApiKey, allows, scopes_of
from courierx_core.access.service import authenticate
from courierx_core.audit import ACT, Act
from courierx_core.courier import Courier
from courierx_core.errors import Forbidden, InvalidInput, NotFound, TooManyRequests
from courierx_core.log_ids import IDS
from courierx_core.ports.store import UnitOfWork
from courierx_core.scopes import PLATFORM, SCOPES
from courierx_core.tenants import service as tenants

_KEY = "courierx_caller"
_TOO_MANY = "Too many keys that do not work came from this address; wait before the next."
_ASK_FOR = "Send a valid key: Authorization: Bearer cx_..."
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", ""})


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What lets requests in, made once per application."""

    bad_keys: BadKeys
    trusted: tuple[Network, ...]
    """Proxies whose X-Forwarded-For is believed."""
    origins: frozenset[str]
    dev: bool


class Caller(msgspec.Struct, frozen=True):
    """`key` is None only in `--dev`; without a tenant the caller stands above tenants."""

    key: ApiKey | None

    @property
    def tenant_id(self) -> int | None:
        return self.key.tenant_id if self.key else None

    @property
    def actor(self) -> str:
        return f"key {self.key.id}" if self.key else "dev"

    def tenant(self, given: int | None) -> int:
        """Return the tenant a request is for: the key's own, or the given one for a platform key.

        Raises NotFound for another tenant's, InvalidInput where a platform key names none.
        """
        if self.tenant_id is not None:
            if given not in (None, self.tenant_id):
                raise NotFound(f"There is no tenant {given}.")
            return self.tenant_id
        if given is None:
            raise InvalidInput.of("tenant_id", "required", "is missing: a platform key acts for one tenant")
        if not 0 < given <= ID_MAX:
            raise NotFound(f"There is no tenant {given}.")
        return given

    def owner(self, courier: Courier, table: str, object_id: int) -> int:
        """Return the tenant to look an object up in; another tenant's is NotFound there."""
        if self.tenant_id is not None:
            return self.tenant_id
        with courier.store.platform() as platform:
            tenant_id = platform.owner_of(table, object_id)
        if tenant_id is None:
            raise NotFound(f"There is no {table.removesuffix('s')} {object_id}.")
        return tenant_id

    def require_tenant(self, unit: UnitOfWork) -> None:
        """Raise NotFound unless the unit's tenant exists. A tenant's own key was found among its rows just
        now; a platform key may name any number."""
        if self.tenant_id is None:
            tenants.require(unit)

    def require(self, scope: str) -> None:
        """Raise Forbidden where the key may not do this; in `--dev` everything may be done."""
        if self.key is None or allows(self.key, scope):
            return
        if scope == PLATFORM and self.tenant_id is not None:
            raise Forbidden("This takes a platform key; a tenant's key sees its own tenant only.")
        raise Forbidden(f"This key lacks the scope {scope!r}; it has: {', '.join(self.key.scopes)}.")

    @property
    def scopes(self) -> frozenset[str]:
        return scopes_of(self.key) if self.key else frozenset(SCOPES)


def provide_caller(state: State, scope: Scope) -> Caller:
    caller: Caller = scope["state"][_KEY]
    return caller


async def authenticated(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of every route but the public ones: know the caller, and that the key may do this."""
    if is_public(handler.opt) or connection.scope.get("method") == "OPTIONS":
        return
    caller = await _caller(connection)
    if scope := scope_of(handler.opt):
        caller.require(scope)
    connection.scope["state"][_KEY] = caller
    if caller.key is not None:
        of = {} if caller.tenant_id is None else {"tenant_id": caller.tenant_id}
        IDS.set({**IDS.get(), **of, "key_id": caller.key.id})
    method = connection.scope.get("method", "GET")
    if method not in ("GET", "HEAD"):
        route = f"{method} {connection.scope['path_template']}"
        detail = {"request_id": request_id(connection.scope)}
        ACT.set(Act(caller.actor, route, connection.scope["path"], detail))


async def _caller(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    given = connection.headers.get("authorization", "")
    access: Access = connection.app.state.access
    if not given and access.dev:
        _require_local(connection, access)
        return Caller(None)
    scheme, _, text = given.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise NotAuthorizedException(detail=_ASK_FOR, headers={"WWW-Authenticate": "Bearer"})
    return await _holder(connection, access, text.strip())


async def _holder(connection: ASGIConnection[Any, Any, Any, Any], access: Access, text: str) -> Caller:
    """Know a key by its text; a source that has tried too many that don't work has to wait."""
    courier: Courier = connection.app.state.courier
    whence = source(client_address(connection.scope, access.trusted))
    if wait := access.bad_keys.wait(whence, text):
        raise TooManyRequests(_TOO_MANY, wait)
    key = await run_sync(authenticate, courier.store, text, courier.runtime.now())
    if key is not None:
        access.bad_keys.worked(text)
        return Caller(key)
    if wait := await run_sync(access.bad_keys.failed, whence, text):
        raise TooManyRequests(_TOO_MANY, wait)
    raise NotAuthorizedException(detail=_ASK_FOR, headers={"WWW-Authenticate": "Bearer"})


def _require_local(connection: ASGIConnection[Any, Any, Any, Any], access: Access) -> None:
    """Refuse a web page elsewhere that reaches this machine through its user's browser."""
    host = urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    origin = connection.headers.get("origin", "")
    foreign = origin and origin not in access.origins
    if host not in _LOOPBACK or (foreign and urlsplit(origin).hostname not in _LOOPBACK):
        raise Forbidden("Without a key, --dev answers only requests made on this machine.")
