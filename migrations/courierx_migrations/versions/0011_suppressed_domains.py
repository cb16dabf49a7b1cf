"""Suppressed domains have an index of their own, which tells at once that a tenant has none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    domains = sa.text("substr(address, 1, 1) = '@'")
    op.create_index(
        "suppressions_domains",
        "suppressions",
        ["tenant_id", "address"],
        postgresql_where=domains,
        sqlite_where=domains,
    )
