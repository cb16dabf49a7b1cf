"""Opt-ins: who asked to be on a list, and the proof that they said yes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")

TENANT = "tenant_id = (SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON opt_ins TO courierx_app;
        GRANT USAGE, SELECT, UPDATE ON SEQUENCE courierx_opt_ins_id TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "opt_ins",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("id", Big, nullable=False),
        sa.Column("list_id", Big, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("first_name", sa.Text, nullable=False),
        sa.Column("last_name", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("asked_at", Utc, nullable=False),
        sa.Column("asked_from", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("confirmed_at", Utc),
        sa.Column("confirmed_from", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("opt_ins_email", "opt_ins", ["tenant_id", "email"])
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("CREATE SEQUENCE courierx_opt_ins_id")
    op.execute("ALTER TABLE opt_ins ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON opt_ins USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(
        "CREATE POLICY lookup ON opt_ins FOR SELECT TO CURRENT_USER"
        " USING (current_setting('courierx.lookup', true) = 'on')"
    )
    op.execute(GRANT)
