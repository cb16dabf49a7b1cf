"""Which transports are paused for everybody: the platform's rows."""

from __future__ import annotations

from collections.abc import Sequence

from courierx_core.transports.model import PausedTransport
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.tables import transports


class TransportRows:
    """See `ports.platform.Transports`."""

    def __init__(self, platform: Accessor) -> None:
        self._platform = platform

    def paused(self) -> Sequence[PausedTransport]:
        statement = self._platform.select(transports).where(transports.c.paused_reason != "")
        rows = self._platform.execute(statement.order_by(transports.c.name))
        return [
            PausedTransport(name=row.name, reason=row.paused_reason, since=row.updated_at) for row in rows
        ]

    def pause(self, name: str, reason: str) -> bool:
        values = {"paused_reason": reason, "updated_at": now()}
        statement = (
            self._platform.insert(transports)
            .values(name=name, driver="", settings=b"", **values)
            .on_conflict_do_update(
                index_elements=["tenant_id", "name"], set_=values, where=transports.c.paused_reason == ""
            )
            .returning(transports.c.name)
        )
        return self._platform.execute(statement).one_or_none() is not None

    def resume(self, name: str) -> bool:
        this = (transports.c.name == name, transports.c.paused_reason != "")
        values = {"paused_reason": "", "updated_at": now()}
        return bool(
            self._platform.execute(self._platform.update(transports).where(*this).values(**values)).rowcount
        )
