"""Segments; and an owner is looked up wherever a table has the policy for it, without a list to keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")
Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")

OWNER_OF = """
CREATE OR REPLACE FUNCTION courierx_owner_of(name text, object_id bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    owner bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = to_regclass(quote_ident(name))
                      AND polname = 'lookup') THEN
        RAISE EXCEPTION 'nothing looks up the owner of a row of %', name;
    END IF;
    PERFORM set_config('courierx.lookup', 'on', true);
    EXECUTE format('SELECT t.id FROM (SELECT id FROM tenants UNION ALL SELECT 0) t
                    WHERE EXISTS (SELECT FROM %I o WHERE o.tenant_id = t.id AND o.id = $1) LIMIT 1', name)
       INTO owner USING object_id;
    PERFORM set_config('courierx.lookup', '', true);
    RETURN owner;
END $$
"""
TENANT = "tenant_id = (SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON segments TO courierx_app;
        GRANT USAGE, SELECT, UPDATE ON SEQUENCE courierx_segments_id TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "segments",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("id", Big, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("definition", Json, nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("updated_at", Utc, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "name"),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("CREATE SEQUENCE courierx_segments_id")
    op.execute(OWNER_OF)
    op.execute("ALTER TABLE segments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON segments USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(
        "CREATE POLICY lookup ON segments FOR SELECT TO CURRENT_USER"
        " USING (current_setting('courierx.lookup', true) = 'on')"
    )
    op.execute(GRANT)
