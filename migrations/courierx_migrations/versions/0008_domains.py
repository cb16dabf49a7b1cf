"""Sender domains, and tenants that send from verified ones only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")
Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")

TENANT = "tenant_id = (SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON domains TO courierx_app;
        GRANT USAGE, SELECT, UPDATE ON SEQUENCE courierx_domains_id TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.add_column(
        "tenants",
        sa.Column("requires_verified_domain", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "domains",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("id", Big, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("verified_by", sa.Text, nullable=False),
        sa.Column("verified_at", Utc),
        sa.Column("checked_at", Utc),
        sa.Column("keys", Json, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("records", Json, nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("updated_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "domain"),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("CREATE SEQUENCE courierx_domains_id")
    op.execute("ALTER TABLE domains ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON domains USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(
        "CREATE POLICY lookup ON domains FOR SELECT TO CURRENT_USER"
        " USING (current_setting('courierx.lookup', true) = 'on')"
    )
    op.execute(GRANT)
