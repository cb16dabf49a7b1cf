"""The store `postgresql`: PostgreSQL 15 or later through psycopg 3, fenced by row-level security."""

from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, create_engine, event

from courierx_core.access.model import ApiKey
from courierx_core.errors import Conflict, StoreError
from courierx_core.ports import driver
from courierx_core.ports.driver import Problem, Secret
from courierx_core.ports.ledger import Ledger
from courierx_migrations import HEAD
from courierx_sql import dump_postgresql, sets_postgresql
from courierx_sql.base import SqlStore, json_text
from courierx_sql.ledger_postgresql import PostgresLedger
from courierx_sql.pool_postgresql import begin, check_out, find_key
from courierx_sql.rows.slice import is_id
from courierx_sql.sets import Sets

APP_ROLE = "courierx_app"

MAKE_ROLE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN
        CREATE ROLE {APP_ROLE} NOLOGIN;
    END IF;
END $$
"""

# Only for members, so that a login that already is the app's role, or an install without it, still works.
_TAKE_ROLE = (
    "SELECT set_config('role', rolname, false) FROM pg_roles"
    " WHERE rolname = %s AND pg_has_role(session_user, oid, 'member')"
)


class Config(driver.Config, frozen=True, kw_only=True):
    """Where the database is, and as whom the app works in it."""

    url: Annotated[
        Secret,
        msgspec.Meta(examples=["postgresql://user:password@host/courierx"], extra={"env": "DATABASE_URL"}),
    ]
    """postgresql:// or postgres://; libpq's parameters (sslmode, ...) after a `?`."""
    pool_size: Annotated[int, msgspec.Meta(ge=1, le=500, extra={"env": "COURIERX_DATABASE_POOL"})] = 10
    """Connections a process keeps; as many again may be open for a moment."""
    pool_seconds: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    """How long a request waits for a connection."""
    statement_seconds: Annotated[
        float, msgspec.Meta(ge=0, extra={"env": "COURIERX_DATABASE_STATEMENT_SECONDS"})
    ] = 0.0
    """How long a statement of the pool may run; 0 leaves it to the server. The ledger's connection, which
    sends, and upgrades have no limit of ours."""
    connect_seconds: Annotated[int, msgspec.Meta(ge=1)] = 5
    app_role: str = APP_ROLE
    """Work as this role where the login is a member of it, so that row-level security binds even a
    login that owns the tables or is a superuser. '' works as the login itself."""

    def __post_init__(self) -> None:
        try:
            conninfo_to_dict(conninfo(self.url))
        except psycopg.ProgrammingError:
            # libpq's own text repeats the URL, and with it the password
            raise ValueError("DATABASE_URL is not a URL that PostgreSQL's libpq understands") from None


def conninfo(url: Secret) -> str:
    """Return the URL as libpq takes it: postgres:// and SQLAlchemy's +psycopg names mean the same."""
    text, replaced = re.subn(r"\Apostgres(ql)?(\+psycopg2?)?://", "postgresql://", url.reveal())
    if not replaced:
        raise ValueError("DATABASE_URL does not begin with postgresql://")
    return text


class PostgresStore(SqlStore[Config]):
    """Any number of processes; each keeps a pool, and a connection of its own per ledger."""

    Config = Config
    sets: ClassVar[Sets] = sets_postgresql

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """Open a connection in autocommit, as the app's role."""
        connection = psycopg.connect(
            conninfo(self.config.url),
            autocommit=True,
            connect_timeout=self.config.connect_seconds,
            application_name="courierx",
            **options,
        )
        connection.execute("SET timezone = 'UTC'")
        if self.config.app_role:
            connection.execute(_TAKE_ROLE, (self.config.app_role,))
        return connection

    def create_engine(self) -> Engine:
        engine = create_engine(
            "postgresql+psycopg://",
            pool_size=self.config.pool_size,
            max_overflow=self.config.pool_size,
            pool_timeout=self.config.pool_seconds,
            json_serializer=json_text,
            json_deserializer=msgspec.json.decode,
            hide_parameters=True,  # an error may be logged, and they are people and their mail
        )
        event.listen(engine, "do_connect", self._pooled)
        event.listen(engine, "checkout", check_out)
        event.listen(engine, "begin", begin)
        return engine

    def _pooled(
        self, _dialect: Any, _record: Any, _positional: Any, named: dict[str, Any]
    ) -> psycopg.Connection[Any]:
        connection = self.connect(**named)  # SQLAlchemy's type adapters
        if self.config.statement_seconds:
            most = f"{self.config.statement_seconds * 1000:.0f}ms"
            connection.execute("SELECT set_config('statement_timeout', %s, false)", (most,))
        connection.autocommit = False
        return connection

    def key(self, key_id: int) -> ApiKey | None:
        if not is_id(key_id):
            return None
        with self.translated(), closing(self.engine.raw_connection()) as pooled:
            driver: Any = pooled.driver_connection
            return find_key(driver, key_id)

    def ledger(self) -> Ledger:
        return PostgresLedger(self.connect, self.explain)

    def explain(self, error: Exception) -> str:
        words = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        return f"PostgreSQL: {words.strip()}. Nothing was stored; it is worth trying again."

    def backup(self, path: Path) -> None:
        dump_postgresql.dump(conninfo(self.config.url), path, self._tools())

    def restore(self, path: Path) -> None:
        if self.revision():
            raise Conflict("The database is not empty: restore into a fresh one.")
        with self.connect() as connection:  # roles are the server's, and so in no backup
            connection.execute("SET ROLE NONE")
            connection.execute(MAKE_ROLE)
        dump_postgresql.load(conninfo(self.config.url), path, self._tools())

    def _tools(self) -> str:
        return self.runtime.environ.get("PATH", os.defpath)

    def check(self) -> list[Problem]:
        try:
            revision = self.revision()
            role = self._role()
        except (StoreError, psycopg.Error) as error:
            remedy = "Check DATABASE_URL, and that the server is up and lets this host in."
            return [Problem("error", "database_unreachable", str(error).strip(), remedy)]
        problems = []
        if revision != HEAD:
            text = f"The schema is at {revision or 'nothing'}; this version needs {HEAD}."
            problems.append(Problem("error", "schema_revision", text, "Run `courierx db upgrade`."))
        if role["bypasses"]:
            text = f"The role {role['name']} bypasses row-level security: only the code keeps tenants apart."
            remedy = (
                f"Run `courierx db upgrade` as a role that may make roles, and keep app_role at {APP_ROLE}."
            )
            problems.append(Problem("warning", "row_security_bypassed", text, remedy))
        elif role["owns"]:
            text = f"The role {role['name']} owns the tables, so it could switch row-level security off."
            remedy = f"Grant {APP_ROLE} to the app's login, and migrate as another role."
            problems.append(Problem("info", "one_database_role", text, remedy))
        return problems

    def _role(self) -> dict[str, Any]:
        with self.connect(row_factory=psycopg.rows.dict_row) as connection:
            row = connection.execute(
                "SELECT rolname AS name, rolsuper OR rolbypassrls AS bypasses, EXISTS"
                " (SELECT FROM pg_class WHERE oid = to_regclass('deliveries') AND relowner = r.oid) AS owns"
                " FROM pg_roles r WHERE rolname = current_user"
            ).fetchone()
        return row or {"name": "?", "bypasses": False, "owns": False}
