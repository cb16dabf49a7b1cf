"""/tenants/{id}/transports: a tenant's own; it sees their names, the platform gives and takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from litestar import Controller, delete, get, put
from litestar.params import FromPath, JSONBody

from courierx_app.api.body import Body
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.scopes import needs
from courierx_core.scopes import PLATFORM
from courierx_core.tenants.service import require
from courierx_core.transports import own_service as own
from courierx_core.transports.model import OwnTransport


class GivenTransport(msgspec.Struct, frozen=True, kw_only=True):
    """A driver, and its settings as in a table of courierx.toml; what is left out has its default, and the
    environment is not asked. They are encrypted, and never shown again."""

    driver: str
    settings: Mapping[str, str | int | float | bool] = {}


class OwnTransportController(Controller):
    path = "/tenants/{tenant_id:int}/transports"
    tags = ("Transports",)

    @get("/", opt=needs("transports:read"), sync_to_thread=True)
    def list_(
        self, courier: TheCourier, caller: TheCaller, tenant_id: FromPath[int]
    ) -> Sequence[OwnTransport]:
        """List the transports that are a tenant's own."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            require(unit)
            return unit.own_transports.list()

    @put("/{name:str}", dto=Body[GivenTransport], return_dto=None, opt=needs(PLATFORM), sync_to_thread=True)
    def give(
        self,
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromPath[int],
        name: FromPath[str],
        data: JSONBody[GivenTransport],
    ) -> OwnTransport:
        """Give a tenant a transport of its own, or change it whole; no other tenant can use it."""
        with courier.store.begin(caller.tenant(tenant_id)) as unit:
            return own.give(courier, unit, name, data.driver, data.settings)

    @delete("/{name:str}", opt=needs(PLATFORM), sync_to_thread=True)
    def take_away(
        self, courier: TheCourier, caller: TheCaller, tenant_id: FromPath[int], name: FromPath[str]
    ) -> None:
        """Take it away; what is on its way over it pauses."""
        with courier.store.begin(caller.tenant(tenant_id)) as unit:
            own.take_away(unit, name)
