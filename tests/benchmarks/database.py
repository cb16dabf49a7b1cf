"""What a database of PostgreSQL did between two moments: pages that were looked at, log that was written."""

from __future__ import annotations

import time

import psycopg

from tests.benchmarks.figures import Figures
from tests.servers import PostgresServer

PATIENCE = 30.0
READ = """
    SELECT blks_hit + blks_read, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')
    FROM pg_stat_database WHERE datname = %s
"""


class Meter:
    """Counts from here on. A backend tells of its pages when it ends, so a reading waits for all to go."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self.server, self.database = server, database
        self.pages, self.log = self._read()

    def per_message(self, messages: int) -> Figures:
        pages, log = self._read()
        return {"buffers": (pages - self.pages) / messages, "wal_bytes": (log - self.log) / messages}

    def _read(self) -> tuple[int, int]:
        deadline = time.monotonic() + PATIENCE
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            while True:
                (here,) = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = %s",
                    (self.database, "client backend"),
                ).fetchone() or (0,)
                if not here:
                    break
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{here} connections to {self.database} do not end")
                time.sleep(0.02)
            pages, log = connection.execute(READ, (self.database,)).fetchone() or (0, 0)
        return int(pages), int(log)
