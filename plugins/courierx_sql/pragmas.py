"""How every SQLite connection of CourierX is set, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

BUSY_SECONDS = 30.0
"""How long a writer waits for another one (LEDGER: R07)."""
CACHE_KILOBYTES = 16_384
"""Pages of the file that each connection may keep in memory."""


def prepare(connection: sqlite3.Connection) -> None:
    """Set a fresh connection up; WAL is a property of the file and is switched on once."""
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KILOBYTES}")
    connection.execute("PRAGMA temp_store = MEMORY")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Wait here for others: where several switch a fresh file, SQLite tells all but one at once that it is
    busy, whatever the time-out."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def explain(error: Exception, path: Path) -> str:
    """Say in one line what SQLite's error means and what to do."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return f"{path} was locked by another writer for {BUSY_SECONDS:.0f} s; try again."
    if "full" in text:
        return f"The disk that holds {path} is full; nothing was written. Free some space."
    if "unable to open" in text:
        return f"Cannot open {path}; check that the folder exists and may be written."
    if "no such table" in text:
        return f"{path} has no schema of this version ({text}); run `courierx db upgrade`."
    if "readonly" in text or "read-only" in text:
        return f"{path} cannot be written ({text}); check its permissions, and that the unit may write."
    return f"SQLite on {path}: {text}."
