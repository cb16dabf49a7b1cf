"""How much of the sending each tenant has had, and may have. `tables` says what all tables share."""

from __future__ import annotations

from sqlalchemy import Column, Double, PrimaryKeyConstraint, Table, Text

from courierx_sql.columns import Big, Utc, metadata

quotas = Table(
    "quotas",  # how much a tenant may send in a period, and what is used of the one that began last
    metadata,
    Column("tenant_id", Big, nullable=False),
    Column("period", Text, nullable=False),
    Column("allowed", Big, nullable=False),
    Column("used", Big, nullable=False),
    Column("since", Utc, nullable=False),
    PrimaryKeyConstraint("tenant_id", "period"),
)

turns = Table(
    "turns",  # whose turn it is: a claim takes the tenant that has had least, by weight
    metadata,
    Column("tenant_id", Big, primary_key=True, autoincrement=False),
    Column("spent", Double, nullable=False),
)
