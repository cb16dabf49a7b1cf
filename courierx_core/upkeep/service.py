"""The use cases of upkeep: they read the platform's list of tenants, and then one tenant at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from courierx_core.ports.store import Store
from courierx_core.ports.upkeep import Broken
from courierx_core.suppression.model import PLATFORM_WIDE

PAGE = 1000


def check(store: Store[Any]) -> Iterator[tuple[int, Sequence[Broken]]]:
    """Give each tenant's id, that of the platform's own rows (0) first, with what is broken in its rows."""
    for tenant_id in (PLATFORM_WIDE, *tenant_ids(store)):
        with store.begin(tenant_id, write=False) as unit:
            broken = unit.upkeep.broken()
        yield tenant_id, broken


def tenant_ids(store: Store[Any]) -> Iterator[int]:
    """Give the id of every tenant, newest first, in as many pages as it takes."""
    before: int | None = None
    while True:
        with store.platform(write=False) as platform:
            page = platform.tenants.list(before=before, limit=PAGE)
        yield from (tenant.id for tenant in page)
        if len(page) < PAGE:
            return
        before = page[-1].id
