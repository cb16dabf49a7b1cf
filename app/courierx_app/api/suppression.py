"""/suppression: addresses that get no mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from courierx_app.api.addresses import Mailbox, email_of
from courierx_app.api.body import READS, Body
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.imports import Taken, answer_upload, upload_route
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_app.api.uploads import uploaded
from courierx_core.imports.model import Options
from courierx_core.suppression.answer import SuppressionAnswer, suppression_answer
from courierx_core.suppression.model import listed_as
from courierx_core.suppression.service import suppress


def _listed_as(given: str | Mailbox, field: str = "email") -> str:
    """Read an address, or a domain as `@x.example`. Raises InvalidInput."""
    if isinstance(given, str) and given.strip().startswith(("@", "*@")):
        return listed_as(given)
    return email_of(given, field)


ListedAs: TypeAlias = Annotated[str | Mailbox, msgspec.Meta(extra={READS: _listed_as})]


class NewSuppression(msgspec.Struct, frozen=True, kw_only=True):
    email: ListedAs
    tenant_id: int | None = None
    reason: str = ""
    expires_at: datetime | None = None


class SuppressionImport(msgspec.Struct, frozen=True, kw_only=True):
    """What an upload says beside its file."""

    tenant_id: int | None = None
    reason: str = "imported"


class SuppressionController(Controller):
    path = "/suppression"
    tags = ("Suppression",)

    @post("/", dto=Body[NewSuppression], return_dto=None, opt=needs("suppression:write"), sync_to_thread=True)
    def create(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, data: JSONBody[NewSuppression]
    ) -> Response[SuppressionAnswer]:
        """Suppress an address, or with `@domain` everybody there, until `expires_at` if it is given; 409
        where it is already. The cause is derived from the reason."""
        tenant_id = caller.tenant(data.tenant_id)

        def add(answer: Answering) -> None:
            with courier.store.begin(tenant_id) as unit:
                caller.require_tenant(unit)
                now, address = courier.runtime.now(), _listed_as(data.email)
                answer(
                    unit,
                    suppression_answer(suppress(unit, address, data.reason, until=data.expires_at, now=now)),
                )

        return once(tenant_id, data, add, 201)

    @post("/bulk-import", **upload_route("suppression:write"))
    async def bulk_import(
        self,
        request: Request[Any, Any, Any],
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        reason: FromQuery[str | None] = None,
    ) -> Response[Taken]:
        """Suppress every address of a file: one a line, or CSV or a workbook with an `email` column and
        perhaps `reason`, `cause` and `expires_at`; given and answered as `/subscribers/bulk-import`."""
        async with uploaded(request) as upload:
            asked = upload.asked(SuppressionImport, {"tenant_id": tenant_id, "reason": reason})
            owner = caller.tenant(asked.tenant_id)
            options = Options(reason=asked.reason)
            return await answer_upload(request, once, courier, owner, upload, options, "suppression")

    @get("/", opt=needs("suppression:read"), sync_to_thread=True)
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        email: FromQuery[str | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[SuppressionAnswer]]:
        """List suppressed addresses and domains, newest first."""
        address = _listed_as(email) if email else None
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.suppressions.list(before=cursor, limit=limit, address=address)
        return page(request, [suppression_answer(each) for each in found], limit)

    @delete("/{suppression_id:int}", opt=needs("suppression:write"), sync_to_thread=True)
    def remove(self, courier: TheCourier, caller: TheCaller, suppression_id: FromPath[int]) -> None:
        """Let an address get mail again."""
        with courier.store.begin(caller.owner(courier, "suppressions", suppression_id)) as unit:
            unit.suppressions.get(suppression_id)
            unit.suppressions.remove(suppression_id)
