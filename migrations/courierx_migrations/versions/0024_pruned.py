"""What is left of deliveries that are no longer kept: their message's report, and whom ids were for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")
Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")

TENANT = "tenant_id = (SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
# Like courierx_messages_of: one thing, as the owner. Ranges never overlap, so each id is one probe.
PRUNED_OF = """
CREATE FUNCTION courierx_pruned_of(ids bigint[])
RETURNS TABLE (delivery bigint, tenant bigint, message bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM set_config('courierx.lookup', 'on', true);
    RETURN QUERY SELECT i.id, p.tenant_id, p.message_id FROM unnest(ids) AS i (id)
        CROSS JOIN LATERAL (SELECT x.tenant_id, x.message_id, x.lo FROM pruned_deliveries x
                            WHERE x.hi >= i.id ORDER BY x.hi LIMIT 1) p
        WHERE p.lo <= i.id;
    PERFORM set_config('courierx.lookup', '', true);
END $$
"""
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON pruned_deliveries, frozen_reports TO courierx_app;
        GRANT EXECUTE ON FUNCTION courierx_pruned_of TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.add_column("messages", sa.Column("pruned_at", Utc))
    op.create_table(
        "frozen_reports",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("message_id", Big, nullable=False),
        sa.Column("report", Json, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "message_id"),
    )
    op.create_table(
        "pruned_deliveries",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("lo", Big, nullable=False),
        sa.Column("hi", Big, nullable=False),
        sa.Column("message_id", Big, nullable=False),
        sa.Column("people", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "lo"),
    )
    op.create_index("pruned_deliveries_hi", "pruned_deliveries", ["hi"])
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in ("frozen_reports", "pruned_deliveries"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(
        "CREATE POLICY lookup ON pruned_deliveries FOR SELECT TO CURRENT_USER"
        " USING (current_setting('courierx.lookup', true) = 'on')"
    )
    op.execute(PRUNED_OF)
    op.execute("REVOKE EXECUTE ON FUNCTION courierx_pruned_of FROM PUBLIC")
    op.execute(GRANT)
