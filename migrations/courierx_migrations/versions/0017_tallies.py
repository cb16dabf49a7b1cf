"""Tallies: what metrics count, added to by every process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON tallies TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("tenant", Big, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("n", Big, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", "source", "outcome"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(GRANT)
