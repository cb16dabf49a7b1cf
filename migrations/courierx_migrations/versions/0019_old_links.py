"""Whom the links of another system meant, so that those in mail it sent still work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON old_links TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "old_links",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner_id", Big, nullable=False),
        sa.Column("subscriber_id", Big, nullable=False),
        sa.PrimaryKeyConstraint("name", "owner_id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(GRANT)
