"""/tenants: a platform key's; a tenant's key sees its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from courierx_app.api.body import Body
from courierx_app.api.etag import TheMatch, tagged
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_core.messages.model import OnUncertain
from courierx_core.scopes import PLATFORM
from courierx_core.tenants import service as tenants
from courierx_core.tenants.model import Branding, Tenant


class NewTenant(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    contact_email: str
    default_from: str = ""
    branding: Branding = Branding()


class TenantChanges(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    contact_email: str | None = None
    default_from: str | None = None
    requires_verified_domain: bool | None = None
    """Refuse mail from domains that are not verified."""
    branding: Branding | None = None
    """Taken whole: what it leaves out is empty again."""
    public_url: str | None = None
    """Where the links of its mail lead, a host of its own with https; '' is the installation's."""
    tracking: bool | None = None
    """False: no click or open is tracked, whatever a campaign says."""
    on_uncertain: OnUncertain | None = None
    """What becomes of uncertain deliveries where a campaign or a message does not say."""
    transport: str | None = None
    """What carries its mail where a campaign or a message names nothing: a transport or a route."""


class TenantController(Controller):
    path = "/tenants"
    tags = ("Tenants",)

    @post("/", dto=Body[NewTenant], return_dto=None, opt=needs(PLATFORM), sync_to_thread=True)
    def create(self, once: TheOnce, courier: TheCourier, data: JSONBody[NewTenant]) -> Response[Tenant]:
        """Add a tenant; 409 where the name is taken."""

        def add(answer: Answering) -> None:
            tenants.create(
                courier.store,
                name=data.name,
                contact_email=data.contact_email,
                default_from=data.default_from,
                branding=data.branding,
                keep=answer,
            )

        return once(None, data, add, 201)

    @get("/", opt=needs("tenants:read"), sync_to_thread=True)
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[Tenant]]:
        """List tenants, newest first."""
        with courier.store.platform() as unit:
            if caller.tenant_id is not None:
                return Response([unit.tenants.get(caller.tenant_id)])
            return page(request, unit.tenants.list(before=cursor, limit=limit), limit)

    @get("/{tenant_id:int}", opt=needs("tenants:read"), sync_to_thread=True)
    def get_(self, courier: TheCourier, caller: TheCaller, tenant_id: FromPath[int]) -> Response[Tenant]:
        """Show a tenant."""
        with courier.store.platform() as unit:
            found = unit.tenants.get(caller.tenant(tenant_id))
        return tagged(found, found)

    @patch(
        "/{tenant_id:int}",
        dto=Body[TenantChanges],
        return_dto=None,
        opt=needs("tenants:write"),
        sync_to_thread=True,
    )
    def edit(
        self,
        match: TheMatch,
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromPath[int],
        data: JSONBody[TenantChanges],
    ) -> Response[Tenant]:
        """Change what is given."""
        with match.platform(courier) as unit:
            match.check(unit.tenants.get(caller.tenant(tenant_id)))
            saved = tenants.edit(
                courier,
                unit,
                tenant_id,
                name=data.name,
                contact_email=data.contact_email,
                default_from=data.default_from,
                requires_verified_domain=data.requires_verified_domain,
                branding=data.branding,
                public_url=data.public_url,
                tracking=data.tracking,
                on_uncertain=data.on_uncertain,
                transport=data.transport,
            )
        return tagged(saved, saved)

    @delete("/{tenant_id:int}", opt=needs(PLATFORM), sync_to_thread=True)
    def remove(self, match: TheMatch, courier: TheCourier, tenant_id: FromPath[int]) -> None:
        """Delete a tenant and all it owns; 409 while it sends."""
        with match.platform(courier) as unit:
            match.check(unit.tenants.get(tenant_id))
            unit.tenants.remove(tenant_id)
