"""/keys and /me: API keys; a secret is shown once, when it is made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from courierx_app.api.body import Body
from courierx_app.api.caller import Caller
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.scopes import ANY_KEY, needs
from courierx_core.access import service as access
from courierx_core.access.model import scopes_of, shown
from courierx_core.errors import Forbidden
from courierx_core.scopes import SCOPES, allowed


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    scopes: tuple[str, ...] = ()
    tenant_id: int | None = None
    expires_at: datetime | None = None


Overlap: TypeAlias = Annotated[
    int,
    QueryParameter(
        ge=0, le=access.OVERLAP_MAX, description="Seconds that the old key works on; 0: not at all."
    ),
]


class KeyController(Controller):
    path = "/keys"
    tags = ("Keys",)

    @post("/", dto=Body[NewKey], return_dto=None, opt=needs("keys:write"), sync_to_thread=True)
    def create(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, data: JSONBody[NewKey]
    ) -> Response[dict[str, Any]]:
        """Make a key; without a tenant a platform key makes another platform key."""
        tenant_id = data.tenant_id if caller.tenant_id is None else caller.tenant(data.tenant_id)
        _require_all(caller, allowed(data.scopes, platform=tenant_id is None))

        def make(answer: Answering) -> None:
            access.create_key(
                courier.store,
                tenant_id=tenant_id,
                name=data.name,
                scopes=data.scopes,
                expires_at=data.expires_at,
                now=courier.runtime.now(),
                keep=lambda unit, made: answer(unit, _with_text(made)),
            )

        return once(tenant_id, data, make, 201, secret=True)

    @get("/", opt=needs("keys:read"), sync_to_thread=True)
    def list_(
        self, courier: TheCourier, caller: TheCaller, tenant_id: FromQuery[int | None] = None
    ) -> list[dict[str, Any]]:
        """List keys without their secrets, newest first; a platform key lists the platform's own."""
        wanted = tenant_id if caller.tenant_id is None else caller.tenant(tenant_id)
        return [shown(key) for key in access.list_keys(courier.store, wanted)]

    @post("/{key_id:int}/rotate", opt=needs("keys:write"), sync_to_thread=True)
    def rotate(
        self,
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        key_id: FromPath[int],
        overlap_seconds: Overlap = access.OVERLAP_SECONDS,
    ) -> Response[dict[str, Any]]:
        """Make a key that may do the same; the old one ends after `overlap_seconds`, a day by default."""
        old = access.find_key(courier.store, key_id, caller.tenant_id)
        _require_all(caller, scopes_of(old))

        def rotate(answer: Answering) -> None:
            access.rotate_key(
                courier.store,
                key_id,
                caller.tenant_id,
                overlap_seconds=overlap_seconds,
                now=courier.runtime.now(),
                keep=lambda unit, made: answer(unit, _with_text(made)),
            )

        return once(old.tenant_id, None, rotate, 201, secret=True)

    @delete("/{key_id:int}", opt=needs("keys:write"), sync_to_thread=True)
    def revoke(self, courier: TheCourier, caller: TheCaller, key_id: FromPath[int]) -> None:
        """Revoke a key; it stops working at once."""
        access.revoke_key(courier.store, key_id, caller.tenant_id)


@get("/me", opt=ANY_KEY, sync_to_thread=False, tags=["Keys"])
def me(caller: TheCaller) -> dict[str, Any]:
    """Say whose key this is and what it may do."""
    key = shown(caller.key) if caller.key else None
    return {
        "tenant_id": caller.tenant_id,
        "platform": caller.tenant_id is None,
        "scopes": sorted(caller.scopes),
        "key": key,
    }


def _with_text(made: access.NewKey) -> dict[str, Any]:
    key, text = made
    return {**shown(key), "key": text}


def _require_all(caller: Caller, wanted: frozenset[str]) -> None:
    """Refuse to make a key that may do more than the one that asks for it."""
    if more := wanted & SCOPES.keys() - caller.scopes:
        raise Forbidden(f"This key cannot make one that may do more than itself: {', '.join(sorted(more))}.")
