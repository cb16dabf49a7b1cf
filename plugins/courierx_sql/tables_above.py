"""The tables that belong to no tenant, beside `tenants` itself: what this install is, and who works in it."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from courierx_sql.columns import Big, Utc, metadata

installation = Table(
    "installation",  # one row
    metadata,
    Column("id", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("public_url", Text, nullable=False),
    Column("heartbeat_at", Utc, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("started_at", Utc, nullable=False),
    Column("heartbeat_at", Utc, nullable=False),
)

counters = Table(
    "counters",  # SQLite only: the next id of each table
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", Big, nullable=False),
)
