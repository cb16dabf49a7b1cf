"""/domains: what a tenant sends from, the records to publish, and what the DNS says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from courierx_app.api.body import Body
from courierx_app.api.etag import TheMatch, tagged
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_core.courier import Courier
from courierx_core.domains import service
from courierx_core.domains.keys import new_keys
from courierx_core.domains.model import DnsRecord, DomainStatus, SenderDomain, signing
from courierx_core.ports.store import UnitOfWork
from courierx_core.scopes import PLATFORM
from courierx_core.tenants import service as tenants

MOST = 1000


class NewDomain(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    tenant_id: int | None = None


class OfTenant(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: int


class DomainAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    tenant_id: int
    domain: str
    status: DomainStatus
    verified_by: str
    """dns, or operator where a person vouched for it."""
    verified_at: datetime | None
    checked_at: datetime | None
    signs_with: Sequence[str]
    """The selectors that mail is signed with now."""
    records: Sequence[DnsRecord]
    created_at: datetime | None
    updated_at: datetime | None


class VerificationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The record that verifies the domain, its return path's (blank without one), and all there are."""

    id: int
    domain: str
    txt_name: str
    txt_value: str
    cname_name: str
    cname_value: str
    records: Sequence[DnsRecord]


class DomainRecords(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    status: DomainStatus
    records: Sequence[DnsRecord]


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: int
    ses_verified: bool
    domains: Sequence[DomainRecords]


class DomainController(Controller):
    path = "/domains"
    tags = ("Sender domains",)

    @post("/", dto=Body[NewDomain], return_dto=None, sync_to_thread=True, opt=needs("domains:write"))
    def create(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, data: JSONBody[NewDomain]
    ) -> Response[DomainAnswer]:
        """Add a domain with DKIM keys of its own; it is looked up until its records are found."""
        tenant_id = caller.tenant(data.tenant_id)

        def add(answer: Answering) -> None:
            new = new_keys()
            with courier.store.begin(tenant_id) as unit:
                caller.require_tenant(unit)
                answer(unit, shown(courier, service.add(courier, unit, data.domain, new)))

        return once(tenant_id, data, add, 201)

    @get("/", sync_to_thread=True, opt=needs("domains:read"))
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[DomainAnswer]]:
        """List sender domains, newest first."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.domains.list(before=cursor, limit=limit)
        return page(request, [shown(courier, each) for each in found], limit)

    @post(
        "/request-verification",
        dto=Body[NewDomain],
        return_dto=None,
        status_code=200,
        sync_to_thread=True,
        opt=needs("domains:write"),
    )
    def request_verification(
        self, courier: TheCourier, caller: TheCaller, data: JSONBody[NewDomain]
    ) -> VerificationAnswer:
        """Show what to publish for a domain, which is added if it is new."""
        domain = service.ensure(courier, caller.tenant(data.tenant_id), data.domain)
        records = service.records(courier, domain)
        txt = next(each for each in records if each.kind == "dkim" and each.required)
        cname = next((each for each in records if each.kind == "return_path"), None)
        return VerificationAnswer(
            id=domain.id,
            domain=domain.domain,
            txt_name=txt.name,
            txt_value=txt.expected,
            cname_name=cname.name if cname else "",
            cname_value=cname.expected if cname else "",
            records=records,
        )

    @patch("/mark-verified", dto=Body[OfTenant], return_dto=None, sync_to_thread=True, opt=needs(PLATFORM))
    def mark_verified(self, courier: TheCourier, caller: TheCaller, data: JSONBody[OfTenant]) -> StatusAnswer:
        """Vouch for the tenant and each of its domains, as the operator; kept as `verified_by: operator`."""
        tenants.vouch(courier.store, caller.tenant(data.tenant_id))
        with courier.store.begin(data.tenant_id) as unit:
            for domain in unit.domains.list(limit=MOST):
                if domain.status != "verified":
                    service.vouch(courier, unit, domain.id)
            return status_of(courier, unit)

    @get("/status", sync_to_thread=True, opt=needs("domains:read"))
    def status(
        self, courier: TheCourier, caller: TheCaller, tenant_id: FromQuery[int | None] = None
    ) -> StatusAnswer:
        """Show every domain with each record as it should be and as it was last found."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            return status_of(courier, unit)

    @get("/{domain_id:int}", sync_to_thread=True, opt=needs("domains:read"))
    def get_(
        self, courier: TheCourier, caller: TheCaller, domain_id: FromPath[int]
    ) -> Response[DomainAnswer]:
        """Show a domain with its records."""
        with courier.store.begin(caller.owner(courier, "domains", domain_id), write=False) as unit:
            found = unit.domains.get(domain_id)
        return tagged(shown(courier, found), found)

    @post("/{domain_id:int}/verify", status_code=200, sync_to_thread=True, opt=needs("domains:write"))
    def verify(self, courier: TheCourier, caller: TheCaller, domain_id: FromPath[int]) -> DomainAnswer:
        """Look the records up now; 409 where this server has no resolver."""
        return shown(courier, service.verify(courier, caller.owner(courier, "domains", domain_id), domain_id))

    @post("/{domain_id:int}/rotate", status_code=200, sync_to_thread=True, opt=needs("domains:write"))
    def rotate(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, domain_id: FromPath[int]
    ) -> Response[DomainAnswer]:
        """Make new keys; they sign once their record is found. 409 while earlier new ones wait."""
        tenant_id = caller.owner(courier, "domains", domain_id)

        def rotate(answer: Answering) -> None:
            new = new_keys()
            with courier.store.begin(tenant_id) as unit:
                answer(unit, shown(courier, service.rotate(courier, unit, domain_id, new)))

        return once(tenant_id, None, rotate)

    @delete("/{domain_id:int}", sync_to_thread=True, opt=needs("domains:write"))
    def remove(
        self, match: TheMatch, courier: TheCourier, caller: TheCaller, domain_id: FromPath[int]
    ) -> None:
        """Delete a domain and its keys; mail from it is no longer signed."""
        with match.unit(courier, caller.owner(courier, "domains", domain_id)) as unit:
            match.check(unit.domains.get(domain_id))
            service.remove(unit, domain_id)


def shown(courier: Courier, domain: SenderDomain) -> DomainAnswer:
    return DomainAnswer(
        id=domain.id,
        tenant_id=domain.tenant_id,
        domain=domain.domain,
        status=domain.status,
        verified_by=domain.verified_by,
        verified_at=domain.verified_at,
        checked_at=domain.checked_at,
        signs_with=[key.selector for key in signing(domain.keys)],
        records=service.records(courier, domain),
        created_at=domain.created_at,
        updated_at=domain.updated_at,
    )


def status_of(courier: Courier, unit: UnitOfWork) -> StatusAnswer:
    return StatusAnswer(
        tenant_id=unit.tenant_id,
        ses_verified=unit.tenant.ses_verified,
        domains=[
            DomainRecords(domain=each.domain, status=each.status, records=service.records(courier, each))
            for each in unit.domains.list(limit=MOST)
        ],
    )
