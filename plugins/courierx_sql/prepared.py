"""Prepared statements on libpq itself: each run is one call, one round trip and one commit.

psycopg's cursors cost 140 us a statement beside what they carry, and a pipeline twice that; a window of
twenty answers is over in less. Values are packed already (`arrays`), and libpq waits without Python's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result

from courierx_sql.arrays import Packed

_BIND = "SELECT set_config('courierx.tenant', $1, false), set_config('courierx.platform', $2, false)"
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class Prepared:
    """One connection in autocommit, used by one thread at a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._pgconn = connection.pgconn
        self._loaders = Transformer(connection)
        self._names: dict[str, bytes] = {}
        self._bound = ""

    def bind(self, tenant_id: int | None) -> None:
        """Let the statements that follow see one tenant's rows, or (None) what is above tenants."""
        bound = "" if tenant_id is None else str(tenant_id)
        if bound != self._bound or not self._names:
            self.run(_BIND, (bound, "" if bound else "on"))
            self._bound = bound

    def run(
        self, statement: str, values: Sequence[Packed | str | float | None], *, pinned: bool = True
    ) -> list[tuple[Any, ...]]:
        """Run it in a transaction of its own; return its rows. One that is not `pinned` is planned anew.
        Raises psycopg.Error."""
        name = (self._names.get(statement) if pinned else None) or self._prepare(statement, pinned)
        sent: list[Any] = [
            each if each is None or isinstance(each, Packed) else str(each).encode() for each in values
        ]
        formats = [pq.Format.BINARY if isinstance(each, Packed) else pq.Format.TEXT for each in values]
        result = self._pgconn.exec_prepared(name, sent, formats, pq.Format.BINARY)
        self._check(result)
        self._loaders.set_pgresult(result)
        return self._loaders.load_rows(0, result.ntuples, tuple)

    def _prepare(self, statement: str, pinned: bool) -> bytes:
        name = b"courierx_%d" % len(self._names) if pinned else b""
        self._check(self._pgconn.prepare(name, statement.encode()))
        if pinned:
            self._names[statement] = name
        return name

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status not in _DONE:
            raise error_from_result(result)
