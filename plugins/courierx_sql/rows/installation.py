"""Who this database belongs to, and who works on it (LEDGER: adoption)."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, func, select, union, update

from courierx_core.ports.store import Installation
from courierx_sql.accessor import insert_into
from courierx_sql.clock import now
from courierx_sql.guard import ABOVE_TENANTS
from courierx_sql.tables import installation, work
from courierx_sql.tables import workers as known

ALIVE_SECONDS = 60


def read(connection: Connection) -> Installation:
    """Return the one row, made with a fresh id when there is none."""
    statement = select(installation, now().label("present"))
    row = connection.execute(statement).first()
    if row is None:
        values = {"id": secrets.token_hex(16), "environment": "", "public_url": "", "heartbeat_at": now()}
        connection.execute(insert_into(connection, installation).values(**values))
        row = connection.execute(statement).one()
    return Installation(
        id=row.id,
        environment=row.environment,
        public_url=row.public_url,
        heartbeat_at=row.heartbeat_at,
        age_seconds=max((row.present - row.heartbeat_at).total_seconds(), 0.0),
    )


def save(connection: Connection, value: Installation) -> None:
    """Write the row and note a heartbeat now."""
    read(connection)
    connection.execute(
        update(installation).values(
            id=value.id, environment=value.environment, public_url=value.public_url, heartbeat_at=now()
        )
    )


def beat(connection: Connection, owner: str) -> None:
    """Note that a worker is alive, and with it the install."""
    statement = insert_into(connection, known).values(owner=owner, started_at=now(), heartbeat_at=now())
    connection.execute(
        statement.on_conflict_do_update(index_elements=["owner"], set_={"heartbeat_at": now()})
    )
    connection.execute(update(installation).values(heartbeat_at=now()))


def workers(connection: Connection) -> int:
    leases = select(work.c.owner).where(work.c.lease_until > now())
    heartbeats = select(known.c.owner).where(known.c.heartbeat_at > now(-ALIVE_SECONDS))
    owners = union(leases, heartbeats).subquery()
    statement = select(func.count()).select_from(owners).execution_options(**ABOVE_TENANTS)
    return connection.execute(statement).scalar_one()
