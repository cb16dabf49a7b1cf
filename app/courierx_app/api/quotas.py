"""/tenants/{id}/quotas: how much a tenant may send; it sees its own, and the platform sets them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar import Controller, get, patch
from litestar.params import FromPath, JSONBody

from courierx_app.api.body import Body
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.scopes import needs
from courierx_core.quotas import service as quotas
from courierx_core.quotas.model import PERIODS, Quota
from courierx_core.scopes import PLATFORM
from courierx_core.tenants.service import require


class QuotaChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts in an hour, a day and a month of the calendar (UTC); null lifts the quota."""

    hour: int | msgspec.UnsetType | None = msgspec.UNSET
    day: int | msgspec.UnsetType | None = msgspec.UNSET
    month: int | msgspec.UnsetType | None = msgspec.UNSET


class QuotaController(Controller):
    path = "/tenants/{tenant_id:int}/quotas"
    tags = ("Tenants",)

    @get("/", opt=needs("tenants:read"), sync_to_thread=True)
    def list_(self, courier: TheCourier, caller: TheCaller, tenant_id: FromPath[int]) -> Sequence[Quota]:
        """Show a tenant's quotas, and what is used of them."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            require(unit)
            return unit.quotas.list()

    @patch("/", dto=Body[QuotaChanges], return_dto=None, opt=needs(PLATFORM), sync_to_thread=True)
    def change(
        self, courier: TheCourier, caller: TheCaller, tenant_id: FromPath[int], data: JSONBody[QuotaChanges]
    ) -> Sequence[Quota]:
        """Set or lift those that are given; what was used of a period stays used."""
        given = {period: getattr(data, period) for period in PERIODS}
        with courier.store.begin(caller.tenant(tenant_id)) as unit:
            return quotas.change(
                unit, {period: value for period, value in given.items() if value is not msgspec.UNSET}
            )
