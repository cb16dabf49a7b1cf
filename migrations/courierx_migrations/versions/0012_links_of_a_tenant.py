"""Where a tenant's links lead, whether its mail is tracked, and what a campaign adds to its links."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

Json = sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("tenants", sa.Column("public_url", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("tenants", sa.Column("tracking", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("campaigns", sa.Column("utm", Json, nullable=False, server_default=sa.text("'{}'")))
