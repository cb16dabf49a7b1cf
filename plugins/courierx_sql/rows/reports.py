"""A message's rows and events, grouped for a report. Each reads all that the message has, once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    case,
    cast,
    distinct,
    extract,
    false,
    func,
    type_coerce,
)

from courierx_core.ports.reports import DomainLine, Frozen, Hour, LinkLine
from courierx_sql.accessor import Accessor
from courierx_sql.tables import deliveries, events, frozen_reports

HOUR_SECONDS = 3600


class ReportRows:
    """See `ports.reports.Reports`."""

    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant
        self._is_sqlite = tenant.connection.dialect.name == "sqlite"

    def frozen(self, message_id: int) -> Frozen | None:
        kept = self._tenant.select(frozen_reports, frozen_reports.c.report).where(
            frozen_reports.c.message_id == message_id
        )
        report = self._tenant.execute(kept).scalar_one_or_none()
        return None if report is None else msgspec.convert(report, Frozen)

    def domains(self, message_id: int, *, limit: int = 20) -> Sequence[DomainLine]:
        find = func.instr if self._is_sqlite else func.strpos
        address = deliveries.c.address
        domain = func.substr(address, find(address, "@") + 1).label("domain")
        n = func.count().label("n")
        largest = self._tenant.select(deliveries, domain, n).where(deliveries.c.message_id == message_id)
        top = self._tenant.execute(largest.group_by("domain").order_by(n.desc(), "domain").limit(limit)).all()
        by_state = (
            self._tenant.select(deliveries, domain, deliveries.c.state, n)
            .where(deliveries.c.message_id == message_id, domain.in_([row.domain for row in top]))
            .group_by("domain", deliveries.c.state)
            .order_by(deliveries.c.state)
        )
        states: defaultdict[str, dict[Any, int]] = defaultdict(dict)
        for row in self._tenant.execute(by_state) if top else ():
            states[row.domain][row.state] = row.n
        return [DomainLine(domain=row.domain, audience=row.n, states=states[row.domain]) for row in top]

    def links(self, message_id: int, *, limit: int = 100) -> Sequence[LinkLine]:
        person, n = events.c.machine.is_(false()), func.count().label("n")
        url = events.c.detail["url"].as_string().label("url")
        statement = (
            self._tenant.select(
                events,
                url,
                n,
                func.count(case((person, 1))).label("human"),
                func.count(distinct(case((person, events.c.delivery_id)))).label("people"),
            )
            .where(events.c.message_id == message_id, events.c.kind == "clicked", url.is_not(None))
            .group_by("url")
            .order_by(n.desc(), "url")
            .limit(limit)
        )
        rows = self._tenant.execute(statement)
        return [LinkLine(url=row.url, all=row.n, human=row.human, people=row.people) for row in rows]

    def hours(self, message_id: int, *, limit: int = 744) -> Sequence[Hour]:
        hour, n = self._hour().label("hour"), func.count().label("n")
        statement = (
            self._tenant.select(events, hour, events.c.kind, n)
            .where(events.c.message_id == message_id)
            .group_by("hour", events.c.kind)
            .order_by("hour", events.c.kind)
        )
        found: defaultdict[int, dict[Any, int]] = defaultdict(dict)
        for row in self._tenant.execute(statement):
            found[int(row.hour)][row.kind] = row.n
        return [
            Hour(at=datetime.fromtimestamp(hour * HOUR_SECONDS, timezone.utc), events=kinds)
            for hour, kinds in list(found.items())[:limit]
        ]

    def _hour(self) -> ColumnElement[Any]:
        """Return the number of an event's hour since 1970: SQLite keeps seconds, and cuts in a cast."""
        at = events.c.at
        if self._is_sqlite:
            return cast(type_coerce(at, Double) / HOUR_SECONDS, BigInteger)
        return cast(func.floor(extract("epoch", at) / HOUR_SECONDS), BigInteger)
