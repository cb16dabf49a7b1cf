"""The use cases of upkeep: they read the platform's list of tenants, and then one tenant at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from courierx_core.errors import Conflict, NotFound
from courierx_core.ports.store import Store
from courierx_core.ports.upkeep import Broken
from courierx_core.suppression.model import PLATFORM_WIDE
from courierx_core.tenants.service import everyone
from courierx_core.upkeep.files import whole_file


def check(store: Store[Any]) -> Iterator[tuple[int, Sequence[Broken]]]:
    """Give each tenant's id, that of the platform's own rows (0) first, with what is broken in its rows."""
    for tenant_id in (PLATFORM_WIDE, *(tenant.id for tenant in everyone(store))):
        with store.begin(tenant_id, write=False) as unit:
            broken = unit.upkeep.broken()
        yield tenant_id, broken


def move(source: Store[Any], target: Store[Any]) -> Iterator[tuple[str, int]]:
    """Copy all that a store holds into an empty one; give each table's name and rows as it goes.

    Neither sends anything before `courierx adopt` says which one does: that is decided before the first
    row is read, so nothing that comes between can make both send. Raises Conflict while a worker lives.
    """
    with source.platform() as platform:
        if alive := platform.workers():
            raise Conflict(
                f"{alive} workers live on the database to copy: stop them and the API, wait a minute, and"
                " copy again."
            )
        platform.disown()
    target.upgrade()
    yield from target.copy_from(source)


def backup(store: Store[Any], path: Path) -> None:
    """Write all that a store holds into a new file. Raises Conflict where the file is there."""
    if path.exists():
        raise Conflict(f"{path} is there already: name a file that is not.")
    with whole_file(path) as part:
        store.backup(part)


def restore(store: Store[Any], path: Path) -> None:
    """Fill a store that has no schema from a backup, brought up to this version's.

    Nothing goes out before `courierx adopt`: what is open in a backup may have been sent since.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    store.restore(path)
    store.upgrade()
    with store.platform() as platform:
        platform.disown()
