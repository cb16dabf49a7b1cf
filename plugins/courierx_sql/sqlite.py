"""The store `sqlite`: one file, one machine, any number of processes.

Writers take the lock when they begin (`BEGIN IMMEDIATE`), so no transaction ever has to be started
again because its snapshot is stale (SQLITE_BUSY_SNAPSHOT); readers never wait. `synchronous=FULL`
makes every commit durable before it returns: an intent must outlive a power cut.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from courierx_core.errors import ConfigError, Conflict, NotFound, StoreError
from courierx_core.ports.driver import Config as DriverConfig
from courierx_core.ports.driver import Runtime
from courierx_core.ports.ledger import Ledger
from courierx_core.upkeep.files import whole_file
from courierx_sql import sets_sqlite
from courierx_sql.base import WRITE, SqlStore, json_text
from courierx_sql.ledger_sqlite import SqliteLedger
from courierx_sql.pragmas import BUSY_SECONDS, explain, prepare
from courierx_sql.sets import Sets


class SqliteConfig(DriverConfig, frozen=True, kw_only=True):
    """Where the file is."""

    url: Annotated[str, msgspec.Meta(extra={"env": "DATABASE_URL"})] = "sqlite:///courierx.db"
    """`sqlite:///relative.db` or `sqlite:////absolute.db`."""


class SqliteStore(SqlStore[SqliteConfig]):
    """Campaigns of millions on one machine, with nothing to install."""

    Config: ClassVar[type[Any]] = SqliteConfig
    sets: ClassVar[Sets] = sets_sqlite

    def __init__(self, name: str, config: SqliteConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._url = _checked(config.url)
        self.path = Path(str(self._url.database))

    def create_engine(self) -> Engine:
        engine = create_engine(
            self._url,
            json_serializer=json_text,
            json_deserializer=msgspec.json.decode,
            hide_parameters=True,  # an error may be logged, and they are people and their mail
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            pool_size=8,
            max_overflow=32,
            pool_timeout=BUSY_SECONDS,
        )
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        return engine

    def revision(self) -> str:
        # to connect would make the file, and whoever asks may only be looking
        return super().revision() if self.path.exists() else ""

    def explain(self, error: Exception) -> str:
        return explain(error, self.path)

    def ledger(self) -> Ledger:
        return SqliteLedger(self.path)

    def backup(self, path: Path) -> None:
        if not self.path.exists():
            raise NotFound(f"There is no database {self.path} to back up.")
        try:
            _copy(self.path, path)
        except sqlite3.Error as error:
            raise StoreError(explain(error, path)) from error

    def restore(self, path: Path) -> None:
        if self.path.exists():
            raise Conflict(f"{self.path} is there already: stop what runs, and move it away first.")
        try:
            with whole_file(self.path) as part:
                _copy(path, part)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} is no backup of this store: {error}.") from error


def _copy(source: Path, target: Path) -> None:
    """Make a database of its own out of what is committed now (SQLite's online backup)."""
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as ours,
        closing(sqlite3.connect(target)) as theirs,
    ):
        ours.backup(theirs)  # in one step: a writer in between would make it begin again, for ever
        theirs.execute("PRAGMA journal_mode = DELETE")
        if (found := theirs.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        theirs.execute("SELECT version_num FROM courierx_version")


def _checked(url: str) -> URL:
    takes = "DATABASE_URL for the store sqlite is sqlite:///relative.db or sqlite:////absolute.db"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(f"{takes}; what is set is no URL.") from error
    if parsed.get_backend_name() != "sqlite":
        raise ConfigError(
            f"{takes}, not {parsed.get_backend_name()}; set COURIERX_STORE to the store of that URL."
        )
    if parsed.database in (None, "", ":memory:"):
        raise ConfigError(f"{takes}; a database in memory would be lost and cannot be shared with a worker.")
    return parsed


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # the driver's own implicit BEGIN is deferred and comes late: transactions are ours alone
    connection.isolation_level = None
    prepare(connection)


def _on_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get(WRITE, True)
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA query_only = {0 if write else 1}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
