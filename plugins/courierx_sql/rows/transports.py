"""Which transports are paused for everybody, and how those do that are warmed up: the platform's rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import select

from courierx_core.transports.model import PausedTransport, WarmDay
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.tables import transports

NO_SETTINGS = {"driver": "", "settings": b""}


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
            .values(name=name, **NO_SETTINGS, **values)
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

    def warm_day(self, name: str, *, lock: bool = False) -> tuple[WarmDay | None, datetime]:
        if lock:
            new = self._platform.insert(transports).values(
                name=name, paused_reason="", updated_at=now(), **NO_SETTINGS
            )
            self._platform.execute(new.on_conflict_do_nothing())
        statement = self._platform.select(transports, transports.c.warm_day, now().label("present"))
        statement = statement.where(transports.c.name == name)
        row = self._platform.execute(statement.with_for_update() if lock else statement).one_or_none()
        if row is None:
            return None, self._platform.execute(select(now())).scalar_one()
        return msgspec.convert(row.warm_day, WarmDay | None), row.present

    def keep_warm_day(self, name: str, day: WarmDay) -> None:
        this = self._platform.update(transports).where(transports.c.name == name)
        self._platform.execute(this.values(warm_day=msgspec.to_builtins(day)))
