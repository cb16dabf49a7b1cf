"""Quotas: how much a tenant may send in an hour, a day and a month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")

TENANT = "tenant_id = (SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON quotas TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "quotas",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("allowed", Big, nullable=False),
        sa.Column("used", Big, nullable=False),
        sa.Column("since", Utc, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "period"),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE quotas ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON quotas USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(GRANT)
