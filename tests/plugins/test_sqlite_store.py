"""The store sqlite keeps the contract, and what is its own: its file, its errors, its locks."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from courierx_core.ports.store import Store
from courierx_core.testing.store import StoreContract
from courierx_sql.pragmas import prepare


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def store(self, sqlite_store: Store[Any]) -> Store[Any]:
        return sqlite_store


def test_any_number_may_open_a_fresh_file_at_once(tmp_path: Path) -> None:
    """SQLite tells those who lose the race for its journal at once, and not after the time-out."""
    abreast, files = 8, 150
    ready = threading.Barrier(abreast)

    def open_all(_: int) -> None:
        for number in range(files):
            path = tmp_path / f"{number}.db"
            ready.wait(timeout=60)
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                prepare(connection)
                connection.execute("CREATE TABLE IF NOT EXISTS made (n)")

    with ThreadPoolExecutor(abreast) as pool:
        list(pool.map(open_all, range(abreast)))
