"""Alembic's entry: run the migrations on the connection, and in the transaction, that it was handed."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    # SQLite rolls DDL back as well, once its driver is kept from committing by itself
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
