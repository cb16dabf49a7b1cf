"""Whose deliveries are, many at a time, for the links in their mails; a message's events by kind."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

# Like courierx_owner_of: one thing, as the owner.
MESSAGES_OF = """
CREATE FUNCTION courierx_messages_of(ids bigint[])
RETURNS TABLE (delivery bigint, tenant bigint, message bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM set_config('courierx.lookup', 'on', true);
    RETURN QUERY SELECT d.id, d.tenant_id, d.message_id FROM tenants t
        CROSS JOIN LATERAL (SELECT x.id, x.tenant_id, x.message_id FROM deliveries x
                            WHERE x.tenant_id = t.id AND x.id = ANY (ids)) d;
    PERFORM set_config('courierx.lookup', '', true);
END $$
"""
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT EXECUTE ON FUNCTION courierx_messages_of TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_index("events_message", "events", ["tenant_id", "message_id", "kind"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(MESSAGES_OF)
        op.execute("REVOKE EXECUTE ON FUNCTION courierx_messages_of FROM PUBLIC")
        op.execute(GRANT)
