"""Tenants themselves, and which of them owns a row: what stands above a tenant's own unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from courierx_core.errors import Conflict, NotFound
from courierx_core.tenants.model import Branding, Tenant
from courierx_core.work import OF_MESSAGE
from courierx_sql.accessor import insert_into
from courierx_sql.clock import now
from courierx_sql.columns import metadata
from courierx_sql.rows.old_links import OldLinkRows
from courierx_sql.rows.slice import check_limit, is_id
from courierx_sql.sets import Sets
from courierx_sql.tables import OWNED, tallies, tenants, work

FINDABLE = frozenset(
    {
        "subscribers",
        "campaigns",
        "messages",
        "deliveries",
        "suppressions",
        "templates",
        "lists",
        "opt_ins",
        "segments",
        "imports",
        "senders",
        "domains",
        "webhooks",
    }
)


def get(connection: Connection, tenant_id: int) -> Tenant:
    found = select(tenants).where(tenants.c.id == tenant_id)
    row = connection.execute(found).one_or_none() if is_id(tenant_id) else None
    if row is None:
        raise NotFound(f"No tenant {tenant_id}.")
    return _read(row)


def owner_of(connection: Connection, sets: Sets, table: str, object_id: int) -> int | None:
    if table not in FINDABLE:
        raise ValueError(f"owner_of knows {', '.join(sorted(FINDABLE))}, not {table!r}.")
    if not is_id(object_id):
        return None
    owner = sets.owner_of(connection, table, object_id)
    if owner is None and table == "deliveries":  # its links still lead to somebody
        owner, _message = sets.pruned_of(connection, [object_id]).get(object_id, (None, 0))
    return owner


class TenantRows:
    def __init__(self, connection: Connection, sets: Sets) -> None:
        self._connection = connection
        self._sets = sets

    def add(self, tenant: Tenant) -> Tenant:
        statement = (
            insert_into(self._connection.dialect.name, tenants)
            .values(
                id=self._sets.reserve(self._connection, tenants.name, 1),
                **_values(tenant),
                created_at=now(),
                updated_at=now(),
            )
            .on_conflict_do_nothing()
            .returning(tenants)
        )
        row = self._connection.execute(statement).one_or_none()
        if row is None:
            raise Conflict(_taken(tenant))
        return _read(row)

    def get(self, tenant_id: int) -> Tenant:
        return get(self._connection, tenant_id)

    def by_name(self, name: str) -> Tenant | None:
        found = select(tenants).where(tenants.c.name_key == name.casefold())
        row = self._connection.execute(found).one_or_none()
        return None if row is None else _read(row)

    def list(self, *, before: int | None = None, limit: int = 100) -> Sequence[Tenant]:
        check_limit(limit)
        statement = select(tenants).order_by(tenants.c.id.desc()).limit(limit)
        if before is not None:
            statement = statement.where(tenants.c.id < before)
        return [_read(row) for row in self._connection.execute(statement)]

    def save(self, tenant: Tenant) -> Tenant:
        statement = (
            update(tenants)
            .where(tenants.c.id == tenant.id)
            .values(**_values(tenant), updated_at=now())
            .returning(tenants)
        )
        try:
            with self._connection.begin_nested():
                row = self._connection.execute(statement).one_or_none()
        except IntegrityError as error:
            raise Conflict(_taken(tenant)) from error
        if row is None:
            raise NotFound(f"No tenant {tenant.id}.")
        return _read(row)

    def remove(self, tenant_id: int) -> None:
        self.get(tenant_id)
        # the database lets nobody, the platform included, at a tenant's rows unless bound to it
        self._sets.bind_tenant(self._connection, tenant_id)
        sending = select(func.count()).where(
            work.c.tenant_id == tenant_id, work.c.topic.in_(OF_MESSAGE), work.c.state != "done"
        )
        count = self._connection.execute(sending).scalar_one()
        if count:
            raise Conflict(
                f"Tenant {tenant_id} has {count} work items left to send; cancel its campaigns first."
            )
        for name in sorted(OWNED):
            table = metadata.tables[name]
            self._connection.execute(delete(table).where(table.c.tenant_id == tenant_id))
        self._connection.execute(delete(tallies).where(tallies.c.tenant == tenant_id))
        OldLinkRows(self._connection).remove(tenant_id)
        self._connection.execute(delete(tenants).where(tenants.c.id == tenant_id))


def _values(tenant: Tenant) -> dict[str, Any]:
    fields = (
        "name", "contact_email", "ses_verified", "default_from", "weight", "requires_verified_domain",
        "public_url", "tracking", "on_uncertain", "transport",
    )  # fmt: skip
    return {
        "name_key": tenant.name.casefold(),
        "branding": msgspec.to_builtins(tenant.branding),
        **{name: getattr(tenant, name) for name in fields},
    }


def _read(row: Row[Any]) -> Tenant:
    fields = {name: row._mapping[name] for name in Tenant.__struct_fields__}
    return Tenant(**{**fields, "branding": msgspec.convert(fields["branding"], Branding)})


def _taken(tenant: Tenant) -> str:
    return f"A tenant named {tenant.name!r} exists (names are compared without case)."
