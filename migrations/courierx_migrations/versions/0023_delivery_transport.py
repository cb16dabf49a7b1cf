"""The transport that a delivery went over, which its message need not name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

# As in 0003, but a delivery's own transport comes first; one of before has none.
DELIVERY_OF = """
CREATE OR REPLACE FUNCTION courierx_delivery_of(via text, provider text, person text)
RETURNS TABLE (tenant bigint, delivery bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM set_config('courierx.lookup', 'on', true);
    RETURN QUERY SELECT d.tenant_id, d.id FROM tenants t
        CROSS JOIN LATERAL (SELECT x.tenant_id, x.id, x.message_id, x.transport FROM deliveries x
                            WHERE x.tenant_id = t.id AND x.address = person AND x.provider_id = provider) d
        JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.message_id
         AND coalesce(nullif(d.transport, ''), m.transport) = via
        ORDER BY d.id DESC LIMIT 1;
    PERFORM set_config('courierx.lookup', '', true);
END $$
"""


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("transport", sa.Text, nullable=False, server_default=""))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(DELIVERY_OF)
