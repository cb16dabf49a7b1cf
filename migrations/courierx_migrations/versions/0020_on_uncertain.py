"""What becomes of uncertain deliveries, said by a campaign or for a tenant, and whether it was done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("tenants", sa.Column("on_uncertain", sa.Text, nullable=False, server_default="hold"))
    op.add_column("campaigns", sa.Column("on_uncertain", sa.Text, nullable=False, server_default=""))
    op.add_column("messages", sa.Column("resent", sa.Integer))
