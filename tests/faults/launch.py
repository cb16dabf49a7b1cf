"""Run `courierx` with one thing bent that no setting of the product can bend.

COURIERX_TEST_BEND=name=value[,name=value]; without it this is `python -m courierx_app.cli`.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from datetime import timedelta


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def snapshot_chunk(value: str) -> None:
    """Snapshots take so many subscribers a transaction: many commits to be killed between."""
    from courierx_core.campaigns import service

    service.SNAPSHOT_CHUNK = int(value)


def kill_at_notify(value: str) -> None:
    """SIGKILL after a commit, in place of the notification that comes next, at the nth."""
    from courierx_core.campaigns import service

    left = int(value)

    def notify(courier: object, topic: str) -> str:
        nonlocal left
        left -= 1
        if not left:
            die()
        return ""

    service.notify = notify


def clock(value: str) -> None:
    """The process's wall clock is so many seconds ahead (negative: behind)."""
    from courierx_app import container
    from courierx_core.ports.driver import Runtime, utcnow

    ahead = timedelta(seconds=float(value))
    container.Runtime = functools.partial(Runtime, now=lambda: utcnow() + ahead)  # type: ignore[misc,assignment]


def kill_at_statement(value: str) -> None:
    """SIGKILL instead of the nth SQL statement of the process that changes anything."""
    from sqlalchemy import Engine, event

    left = int(value)

    def count(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        nonlocal left
        left -= changes(sql)
        if not left:
            die()

    event.listen(Engine, "before_cursor_execute", count)


def changes(sql: str) -> bool:
    """Tell whether a statement may change the schema or a row."""
    return not sql.lstrip().upper().startswith(("SELECT", "PRAGMA", "SHOW"))


def tell_peak(value: str) -> None:
    """Write the most memory the process held, in KB, into a file as it ends."""
    import atexit
    from pathlib import Path

    def tell() -> None:
        # not getrusage: what it says begins with the memory of the process that forked this one
        lines = Path("/proc/self/status").read_text().splitlines()
        Path(value).write_text(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))

    atexit.register(tell)


def sqlite_cache(value: str) -> None:
    """SQLite keeps no more than so many KB of its file in memory for each connection."""
    from courierx_sql import pragmas

    pragmas.CACHE_KILOBYTES = int(value)


BENDS: dict[str, Callable[[str], None]] = {
    bend.__name__: bend
    for bend in (snapshot_chunk, kill_at_notify, clock, kill_at_statement, tell_peak, sqlite_cache)
}


def main() -> None:
    for bend in filter(None, os.environ.pop("COURIERX_TEST_BEND", "").split(",")):
        name, _, value = bend.partition("=")
        BENDS[name](value)
    from courierx_app.cli import main as courierx

    courierx()


if __name__ == "__main__":
    main()
