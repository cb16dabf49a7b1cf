"""Who this database belongs to, and who works on it (LEDGER: adoption)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, select, union, update

from courierx_core.ports.platform import DISOWNED, Installation, LeftOut
from courierx_core.work import Topic
from courierx_sql.accessor import insert_into
from courierx_sql.clock import now
from courierx_sql.guard import ABOVE_TENANTS
from courierx_sql.tables import installation, work
from courierx_sql.tables import workers as known

ALIVE_SECONDS = 60


def read(connection: Connection) -> Installation:
    """Return the one row."""
    row = connection.execute(select(installation, now().label("present"))).first()
    if row is None:
        return Installation()
    return Installation(
        id=row.id,
        environment=row.environment,
        public_url=row.public_url,
        heartbeat_at=row.heartbeat_at,
        age_seconds=max((row.present - row.heartbeat_at).total_seconds(), 0.0),
    )


def save(connection: Connection, value: Installation) -> None:
    """Write the row, with a fresh id if it has none, and note a heartbeat now."""
    values = {"environment": value.environment, "public_url": value.public_url, "heartbeat_at": now()}
    ours = update(installation).values(id=value.id or installation.c.id, **values)
    if connection.execute(ours).rowcount:
        return
    fresh = insert_into(connection.dialect.name, installation).values(
        id=value.id or secrets.token_hex(16), **values
    )
    if not connection.execute(fresh.on_conflict_do_nothing()).rowcount:  # another was first
        connection.execute(ours)


def disown(connection: Connection) -> None:
    """Leave the row a heartbeat that explains itself; without a row there is nothing to send."""
    connection.execute(update(installation).values(heartbeat_at=DISOWNED))


def beat(connection: Connection, owner: str, without: Mapping[str, str]) -> None:
    """Note that a worker is alive, and which plugins it is without."""
    values = {"heartbeat_at": now(), "left_out": dict(without) or None}
    statement = insert_into(connection.dialect.name, known).values(owner=owner, started_at=now(), **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["owner"], set_=values))


def tenants_with_work(connection: Connection, topics: Sequence[Topic], held_for: str) -> list[int]:
    """Return the tenants with ready or leased items, or with items held for a reason."""
    moving = work.c.state.in_(("ready", "leased"))
    held = and_(work.c.state == "held", work.c.error == held_for)
    wanted = work.c.topic.in_(topics), held if held_for else moving
    statement = select(work.c.tenant_id).distinct().where(*wanted)
    rows = connection.execute(statement.order_by(work.c.tenant_id).execution_options(**ABOVE_TENANTS))
    return list(rows.scalars())


def workers(connection: Connection) -> int:
    leases = select(work.c.owner).where(work.c.lease_until > now())
    heartbeats = select(known.c.owner).where(_beating())
    owners = union(leases, heartbeats).subquery()
    statement = select(func.count()).select_from(owners).execution_options(**ABOVE_TENANTS)
    return connection.execute(statement).scalar_one()


def left_out(connection: Connection) -> list[LeftOut]:
    rows = connection.execute(select(known.c.left_out).where(_beating(), known.c.left_out.is_not(None)))
    found: dict[str, LeftOut] = {}
    for each in rows.scalars():
        for plugin, why in each.items():
            before = found.get(plugin)
            found[plugin] = LeftOut(plugin, why, before.workers + 1 if before else 1)
    return [found[plugin] for plugin in sorted(found)]


def _beating() -> ColumnElement[bool]:
    return known.c.heartbeat_at > now(-ALIVE_SECONDS)
