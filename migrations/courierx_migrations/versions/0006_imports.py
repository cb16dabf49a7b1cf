"""Imports: files in pieces, how far each is, and the lines that were not taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql")
Utc = sa.DateTime(timezone=True).with_variant(sa.Double(), "sqlite")

TENANT = "tenant_id = (SELECT NULLIF(current_setting('courierx.tenant', true), '')::bigint)"
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'courierx_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON imports, import_errors, files TO courierx_app;
        GRANT USAGE, SELECT, UPDATE ON SEQUENCE courierx_imports_id, courierx_files_id TO courierx_app;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("id", Big, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("file_id", Big, nullable=False),
        sa.Column("options", Json, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("size", Big, nullable=False),
        sa.Column("offset", Big, nullable=False),
        sa.Column("line", Big, nullable=False),
        sa.Column("counts", Json, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("updated_at", Utc, nullable=False),
        sa.Column("finished_at", Utc),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_table(
        "import_errors",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("import_id", Big, nullable=False),
        sa.Column("line", Big, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "import_id", "line"),
    )
    op.create_table(
        "files",
        sa.Column("tenant_id", Big, nullable=False),
        sa.Column("id", Big, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", "number"),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("CREATE SEQUENCE courierx_imports_id")
    op.execute("CREATE SEQUENCE courierx_files_id")
    for table in ("imports", "import_errors", "files"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(
        "CREATE POLICY lookup ON imports FOR SELECT TO CURRENT_USER"
        " USING (current_setting('courierx.lookup', true) = 'on')"
    )
    op.execute(GRANT)
