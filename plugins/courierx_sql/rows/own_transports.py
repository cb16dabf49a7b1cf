"""A tenant's own transports: rows of the table that has the platform's pauses under tenant 0."""

from __future__ import annotations

from collections.abc import Sequence

from courierx_core.transports.model import OwnTransport, Sealed
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.tables import transports

SHOWN = (transports.c.name, transports.c.driver, transports.c.updated_at)


class OwnTransportRows:
    """See `ports.own_transports.OwnTransports`."""

    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

    def list(self) -> Sequence[OwnTransport]:
        rows = self._tenant.execute(self._tenant.select(transports, *SHOWN).order_by(transports.c.name))
        return [OwnTransport(**row._mapping) for row in rows]

    def get(self, name: str) -> Sealed | None:
        statement = self._tenant.select(transports, transports.c.driver, transports.c.settings)
        row = self._tenant.execute(statement.where(transports.c.name == name)).one_or_none()
        return Sealed(row.driver, bytes(row.settings)) if row else None

    def save(self, name: str, driver: str, settings: bytes) -> OwnTransport:
        values = {"driver": driver, "settings": settings, "updated_at": now()}
        statement = (
            self._tenant.insert(transports)
            .values(name=name, paused_reason="", **values)
            .on_conflict_do_update(index_elements=["tenant_id", "name"], set_=values)
            .returning(*SHOWN)
        )
        return OwnTransport(**self._tenant.execute(statement).one()._mapping)

    def remove(self, name: str) -> bool:
        gone = self._tenant.delete(transports).where(transports.c.name == name)
        return bool(self._tenant.execute(gone).rowcount)
