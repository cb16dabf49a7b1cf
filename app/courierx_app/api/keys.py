"""/keys and /me: API keys; a secret is shown once, when it is made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from courierx_app.api.body import Body
from courierx_app.api.given import TheCaller, TheCourier
from courierx_core import access
from courierx_core.errors import Forbidden


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    scopes: tuple[str, ...] = ()
    tenant_id: int | None = None
    expires_at: datetime | None = None


class KeyController(Controller):
    path = "/keys"
    tags = ("Keys",)
    opt = {"scope": "keys"}  # noqa: RUF012

    @post("/", dto=Body[NewKey], return_dto=None, sync_to_thread=True)
    def create(self, courier: TheCourier, caller: TheCaller, data: JSONBody[NewKey]) -> dict[str, Any]:
        """Make a key; without a tenant a platform key makes another platform key."""
        tenant_id = data.tenant_id if caller.tenant_id is None else caller.tenant(data.tenant_id)
        if (
            caller.key
            and caller.key.scopes
            and not set(data.scopes or access.SCOPES) <= set(caller.key.scopes)
        ):
            raise Forbidden("A key cannot make one that may do more than itself.")
        key, text = access.create_key(
            courier.store, tenant_id=tenant_id, name=data.name, scopes=data.scopes, expires_at=data.expires_at
        )
        return {**access.shown(key), "key": text}

    @get("/", sync_to_thread=True)
    def list_(
        self, courier: TheCourier, caller: TheCaller, tenant_id: FromQuery[int | None] = None
    ) -> list[dict[str, Any]]:
        """List keys without their secrets, newest first; a platform key lists the platform's own."""
        wanted = tenant_id if caller.tenant_id is None else caller.tenant(tenant_id)
        return [access.shown(key) for key in access.list_keys(courier.store, wanted)]

    @delete("/{key_id:int}", sync_to_thread=True)
    def revoke(self, courier: TheCourier, caller: TheCaller, key_id: FromPath[int]) -> None:
        """Revoke a key; it stops working at once."""
        access.revoke_key(courier.store, key_id, caller.tenant_id)


@get("/me", sync_to_thread=False, tags=["Keys"])
def me(caller: TheCaller) -> dict[str, Any]:
    """Say whose key this is and what it may do."""
    key = access.shown(caller.key) if caller.key else None
    scopes = caller.key.scopes if caller.key and caller.key.scopes else access.SCOPES
    return {"tenant_id": caller.tenant_id, "platform": caller.tenant_id is None, "scopes": scopes, "key": key}
