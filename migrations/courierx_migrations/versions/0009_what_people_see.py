"""What people see of a tenant: its branding, and the lists they choose among."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

Json = sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("tenants", sa.Column("branding", Json, nullable=False, server_default=sa.text("'{}'")))
    op.add_column("lists", sa.Column("public", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("lists", sa.Column("description", sa.Text, nullable=False, server_default=sa.text("''")))
