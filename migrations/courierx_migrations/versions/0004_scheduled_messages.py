"""When a single message is due, and that it was cancelled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")


def upgrade() -> None:
    for name in ("scheduled_at", "cancelled_at"):
        op.add_column("messages", sa.Column(name, Utc))
