"""What carries a tenant's mail where nothing else is said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.add_column("tenants", sa.Column("transport", sa.Text, nullable=False, server_default=""))
