"""What is counted of the whole install, and what is due in it now: every statement walks a small index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, select

from courierx_core.ports.metrics import OTHER_TENANTS, Backlog, Tally
from courierx_sql.accessor import insert_into
from courierx_sql.clock import now
from courierx_sql.columns import Utc
from courierx_sql.guard import ABOVE_TENANTS
from courierx_sql.tables import tallies, tenants, work
from courierx_sql.tables import workers as known

_KEY = (tallies.c.name, tallies.c.tenant, tallies.c.source, tallies.c.outcome)


class MetricRows:
    """See `ports.metrics.Metrics`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, counted: Sequence[Tally]) -> None:
        if not counted:
            return
        statement = insert_into(self._connection.dialect.name, tallies)
        statement = statement.on_conflict_do_update(
            index_elements=list(_KEY), set_={"n": tallies.c.n + statement.excluded.n}
        )
        rows = [
            {
                "name": each.name,
                "tenant": each.tenant_id,
                "source": each.source,
                "outcome": each.outcome,
                "n": each.n,
            }
            for each in sorted(counted)  # one order, so that two who add never wait for each other
        ]
        self._connection.execute(statement, rows)

    def tallies(self, *, tenants: int = 100) -> Sequence[Tally]:
        last = self._last_told_apart(tenants)
        apart = (
            tallies.c.tenant
            if last is None
            else case((tallies.c.tenant <= last, tallies.c.tenant), else_=OTHER_TENANTS)
        )
        key = (tallies.c.name, apart.label("tenant_id"), tallies.c.source, tallies.c.outcome)
        # by the label: a repeated expression with a parameter is another one to PostgreSQL
        statement = select(*key, func.sum(tallies.c.n)).group_by(tallies.c.name, "tenant_id", *key[2:])
        return sorted(Tally(*row[:4], int(row[4])) for row in self._connection.execute(statement))

    def _last_told_apart(self, n: int) -> int | None:
        """Return the id of the n-th tenant, 0 (nobody's) for none; None where there are not so many."""
        if n < 1:
            return 0
        statement = select(tenants.c.id).order_by(tenants.c.id).limit(1).offset(n - 1)
        return self._connection.execute(statement).scalar_one_or_none()

    def backlog(self) -> Sequence[Backlog]:
        due = self._grouped(
            func.count(),
            func.min(work.c.due_at, type_=Utc()),
            and_(work.c.state == "ready", work.c.due_at <= now()),
        )
        leased = self._grouped(
            func.count(), func.min(work.c.lease_until, type_=Utc()), work.c.lease_until.is_not(None)
        )
        found: dict[tuple[Any, Any], dict[str, Any]] = {}
        for row in self._connection.execute(due):
            found[row.topic, row.stream] = {"due": row.n, "due_seconds": _seconds(row)}
        for row in self._connection.execute(leased):
            of = found.setdefault((row.topic, row.stream), {})
            of |= {"leased": row.n, "expired_seconds": _seconds(row)}
        return [Backlog(topic=topic, stream=stream, **of) for (topic, stream), of in sorted(found.items())]

    def _grouped(self, n: Any, oldest: Any, where: Any) -> Select[Any]:
        columns = (work.c.topic, work.c.stream)
        statement = select(*columns, n.label("n"), oldest.label("oldest"), now().label("present"))
        return statement.where(where).group_by(*columns).execution_options(**ABOVE_TENANTS)

    def heartbeat_seconds(self) -> float | None:
        latest = func.max(known.c.heartbeat_at, type_=Utc()).label("oldest")
        row = self._connection.execute(select(latest, now().label("present"))).one()
        return None if row.oldest is None else _seconds(row)


def _seconds(row: Any) -> float:
    """Return how long ago a moment was; 0 where it is to come."""
    since: timedelta = row.present - row.oldest
    return max(0.0, since.total_seconds())
