"""Webhooks, and what each receiver is told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")
Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")

TENANT = "tenant_id = (SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO courierx_app;
        GRANT USAGE, SELECT, UPDATE ON SEQUENCE courierx_{table}_id TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("id", Big, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("types", Json, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("disabled_reason", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", Utc),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("updated_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_table(
        "webhook_calls",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("id", Big, nullable=False),
        sa.Column("webhook_id", Big, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("event_id", Big),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", Utc, nullable=False),
        sa.Column("attempts", Json, nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("webhook_calls_log", "webhook_calls", ["tenant_id", "webhook_id", "id"])
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "webhook_calls_due",
        "webhook_calls",
        ["tenant_id", "webhook_id", "due_at", "id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in ("webhooks", "webhook_calls"):
        op.execute(f"CREATE SEQUENCE courierx_{table}_id")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} USING ({TENANT}) WITH CHECK ({TENANT})")
        op.execute(
            f"CREATE POLICY lookup ON {table} FOR SELECT TO CURRENT_USER"
            " USING (current_setting('courierx.lookup', true) = 'on')"
        )
        op.execute(GRANT.format(table=table))
