"""The tables that belong to no tenant, beside `tenants` itself: what this install is, and who works in it."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, SmallInteger, Table, Text

from courierx_sql.columns import Big, MaybeJson, Utc, metadata

installation = Table(
    "installation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("public_url", Text, nullable=False),
    Column("heartbeat_at", Utc, nullable=False),
    Column("one", SmallInteger, nullable=False, server_default="1"),  # unique: there is one row
)
Index("installation_one", installation.c.one, unique=True)

workers = Table(
    "workers",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("started_at", Utc, nullable=False),
    Column("heartbeat_at", Utc, nullable=False),
    Column("left_out", MaybeJson),  # plugin -> why; NULL where it has them all
)

tallies = Table(
    "tallies",  # what metrics count: the operator's, so its tenant is a label and no owner
    metadata,
    Column("tenant", Big, nullable=False),  # 0: nobody's in particular
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("n", Big, nullable=False),
    PrimaryKeyConstraint("tenant", "name", "source", "outcome"),
)

old_links = Table(
    "old_links",  # whom the links of another system meant; of a person only the id is in it
    metadata,
    Column("name", Text, nullable=False),
    Column("owner_id", Big, nullable=False),  # a tenant: the row is found before it is known
    Column("subscriber_id", Big, nullable=False),
    PrimaryKeyConstraint("name", "owner_id"),
)

counters = Table(
    "counters",  # SQLite only: the next id of each table
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", Big, nullable=False),
)
