"""What is under way is found without reading what is over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    under_way = sa.text("completed_at IS NULL")
    op.create_index(
        "messages_open", "messages", ["tenant_id", "id"], postgresql_where=under_way, sqlite_where=under_way
    )
