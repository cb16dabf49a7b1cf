"""Erasure keys: what hides whom a tenant has erased in the mark that keeps them off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TENANT = "tenant_id = (SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON erasure_keys TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "erasure_keys",
        sa.Column("tenant_id", Big, nullable=False, autoincrement=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE erasure_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON erasure_keys USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(GRANT)
