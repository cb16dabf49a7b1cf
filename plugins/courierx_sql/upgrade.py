"""The schema: bring it to the code's revision in one transaction, so a crash leaves it as it was.

Alembic (0.4 s to import) is loaded only when there is something to do; it has no alembic.ini.
"""

from __future__ import annotations

from sqlalchemy import Engine, inspect, text

from courierx_migrations import HEAD
from courierx_sql import guard

VERSION_TABLE = "courierx_version"
# any number will do, as long as every version of CourierX locks the same one
_UPGRADE_LOCK = 0x43585550


def upgrade(engine: Engine) -> None:
    """Run what is missing. Safe to repeat, to start from several processes at once, and for the version
    before, which a deployment may start once more beside the new schema."""
    if revision(engine) >= HEAD:
        return
    from alembic import command
    from alembic.config import Config

    # a migration changes every tenant's rows, so the guard lets it
    above = engine.execution_options(**{guard.TENANT: guard.PLATFORM}, **guard.ABOVE_TENANTS)
    with above.begin() as connection:
        if connection.dialect.name == "postgresql":
            # tables belong to the role that logged in, not to the one the app works as
            connection.execute(text("SELECT set_config('role', 'none', true)"))
            connection.execute(text("SELECT set_config('statement_timeout', '0', true)"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        config = Config()
        config.set_main_option("script_location", "courierx_migrations:")
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        config.attributes["version_table"] = VERSION_TABLE
        command.upgrade(config, "head")


def revision(engine: Engine) -> str:
    """Return the database's revision; '' when it has no schema."""
    with engine.connect() as connection:
        connection.execution_options(courierx_write=False)  # a reader waits for nobody on SQLite
        if not inspect(connection).has_table(VERSION_TABLE):
            return ""
        return str(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() or "")
