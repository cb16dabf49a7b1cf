"""The pool's connections, on libpq itself: known to be alive without a question, bound as they begin.

Through SQLAlchemy and psycopg a unit of work took five round trips before its first statement: the ping,
autocommit's two ends, BEGIN and the binding. Now it takes one.
"""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from sqlalchemy import Connection
from sqlalchemy.exc import DisconnectionError, OperationalError

from courierx_core.access.model import ApiKey
from courierx_sql.base import STEADY, WRITE
from courierx_sql.guard import PLATFORM, TENANT
from courierx_sql.sets_postgresql import BIND_PLATFORM

IDLE_SECONDS = 5.0
"""A connection unused for longer is asked whether it is alive: a firewall may have forgotten it, silently."""

_LAST_USED = "courierx_last_used"


def check_out(driver: psycopg.Connection[Any], record: Any, _proxy: object) -> None:
    """Make the pool try another connection where this one is gone. A server that closed it has said so, and
    nobody else says anything to a connection at rest."""
    now = time.monotonic()
    idle = now - record.info.get(_LAST_USED, now)
    record.info[_LAST_USED] = now
    if idle < IDLE_SECONDS and not _told_something(driver):
        return
    try:
        alive = driver.pgconn.exec_(b"").status == pq.ExecStatus.EMPTY_QUERY
    except psycopg.Error:
        alive = False
    if not alive:
        raise DisconnectionError("The connection was closed by the server.")


def _told_something(driver: psycopg.Connection[Any]) -> bool:
    if driver.pgconn.status != pq.ConnStatus.OK:
        return True
    poll = select.poll()
    poll.register(driver.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


def begin(connection: Connection) -> None:
    """Begin a transaction as its connection's options say, bound to its tenant (or above them) from its
    first statement on: one round trip."""
    options = connection.get_execution_options()
    words = "BEGIN"
    if options.get(STEADY):
        words += " ISOLATION LEVEL REPEATABLE READ"
    if not options.get(WRITE, True):
        words += " READ ONLY"
    bound = options.get(TENANT)
    if bound == PLATFORM:
        words += f"; {BIND_PLATFORM}"
    elif bound is not None:
        words += f"; SELECT set_config('courierx.tenant', '{int(bound)}', true)"
    driver: Any = connection.connection.driver_connection
    _exchange(driver, words)


def find_key(driver: psycopg.Connection[Any], key_id: int) -> ApiKey | None:
    """Read a key in one round trip: every request asks for one before anything else. Statements sent
    together are a transaction, so the binding ends with them."""
    asked = f"SELECT {', '.join(_KEY)} FROM api_keys WHERE id = {key_id:d}"
    result = _exchange(driver, f"{BIND_PLATFORM}; {asked}")
    reader = Transformer(driver)
    reader.set_pgresult(result)
    for row in reader.load_rows(0, result.ntuples, tuple):
        found = dict(zip(_KEY, row, strict=True))
        return ApiKey(**{**found, "scopes": tuple(found["scopes"])})
    return None


_KEY = ApiKey.__struct_fields__


def _exchange(driver: psycopg.Connection[Any], words: str) -> pq.abc.PGresult:
    """Run statements without parameters in one round trip; return the last one's result. Raises SQLAlchemy's
    OperationalError."""
    try:
        result = driver.pgconn.exec_(words.encode())
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise error_from_result(result)
    except psycopg.Error as error:
        raise OperationalError(words.partition(" ")[0], None, error) from error
    return result
