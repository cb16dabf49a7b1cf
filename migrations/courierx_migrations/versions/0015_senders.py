"""Senders: the addresses that a tenant's mail comes from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")

TENANT = "tenant_id = (SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON senders TO courierx_app;
        GRANT USAGE, SELECT, UPDATE ON SEQUENCE courierx_senders_id TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "senders",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("id", Big, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("reply_to", sa.Text, nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("updated_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "email"),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("CREATE SEQUENCE courierx_senders_id")
    op.execute("ALTER TABLE senders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON senders USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(
        "CREATE POLICY lookup ON senders FOR SELECT TO CURRENT_USER"
        " USING (current_setting('courierx.lookup', true) = 'on')"
    )
    op.execute(GRANT)
