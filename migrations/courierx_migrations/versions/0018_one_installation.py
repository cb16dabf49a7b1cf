"""The installation is one row by the database's own word: two workers that began together wrote one each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute("DELETE FROM installation WHERE id > (SELECT min(id) FROM installation)")
    op.add_column("installation", sa.Column("one", sa.SmallInteger, nullable=False, server_default="1"))
    op.create_index("installation_one", "installation", ["one"], unique=True)
