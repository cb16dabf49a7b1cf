"""What feedback looks things up by: deliveries and events of an address, and whose a provider's id is."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

# For what carries a provider's id and not our token. Like courierx_owner_of: one thing, as the owner.
DELIVERY_OF = """
CREATE FUNCTION courierx_delivery_of(via text, provider text, person text)
RETURNS TABLE (tenant bigint, delivery bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM set_config('courierx.lookup', 'on', true);
    RETURN QUERY SELECT d.tenant_id, d.id FROM tenants t
        CROSS JOIN LATERAL (SELECT x.tenant_id, x.id, x.message_id FROM deliveries x
                            WHERE x.tenant_id = t.id AND x.address = person AND x.provider_id = provider) d
        JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.message_id AND m.transport = via
        ORDER BY d.id DESC LIMIT 1;
    PERFORM set_config('courierx.lookup', '', true);
END $$
"""
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT EXECUTE ON FUNCTION courierx_delivery_of TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_index("deliveries_address", "deliveries", ["tenant_id", "address"])
    op.create_index("events_recipient", "events", ["tenant_id", "recipient"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(DELIVERY_OF)
        op.execute("REVOKE EXECUTE ON FUNCTION courierx_delivery_of FROM PUBLIC")
        op.execute(GRANT)
