"""What is left of deliveries that are no longer kept. `tables` says what all tables share."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, Table

from courierx_sql.columns import Big, Json, metadata

frozen_reports = Table(
    "frozen_reports",  # what the rows and events of a message added up to before they went
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("message_id", Big, nullable=False),
    Column("report", Json, nullable=False),
    PrimaryKeyConstraint("tenant_id", "message_id"),
)

pruned_deliveries = Table(
    "pruned_deliveries",  # runs of ids without a gap: whose mail they were, for links that live for years
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("lo", Big, nullable=False),
    Column("hi", Big, nullable=False),
    Column("message_id", Big, nullable=False),
    Column("people", LargeBinary, nullable=False),  # see `rows.pruning`
    PrimaryKeyConstraint("tenant_id", "lo"),
)
# Whose a link is, is asked before the tenant is known: one probe, however many tenants there are.
Index("pruned_deliveries_hi", pruned_deliveries.c.hi)
