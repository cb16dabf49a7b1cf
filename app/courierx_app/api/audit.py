"""/audit: who changed what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromQuery

from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_core.audit import Entry
from courierx_core.suppression.model import PLATFORM_WIDE


@get("/audit", tags=["Audit"], opt=needs("audit:read"), sync_to_thread=True)
def audit_log(
    request: Request[Any, Any, Any],
    courier: TheCourier,
    caller: TheCaller,
    tenant_id: FromQuery[int | None] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[Sequence[Entry]]:
    """List a tenant's changes, newest first: which key did what to which object, in which request. A
    platform key that names no tenant lists what was done above tenants."""
    above = tenant_id is None and caller.tenant_id is None
    with courier.store.begin(PLATFORM_WIDE if above else caller.tenant(tenant_id), write=False) as unit:
        return page(request, unit.audit.list(before=cursor, limit=limit), limit)
