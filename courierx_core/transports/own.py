"""A tenant's own transports: kept in the store, encrypted, and made by a process when they are first used.

One is called NAME@TENANT wherever the whole install sees it (a message, a delivery, a pause, a rate), so that
no other tenant's is ever meant; its tenant calls it NAME.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from courierx_core.config import load
from courierx_core.errors import CourierXError, PluginError, StoreError
from courierx_core.ports.driver import Runtime
from courierx_core.ports.store import Store
from courierx_core.ports.transport import Transport
from courierx_core.transports.model import Sealed

log = logging.getLogger("courierx.transports")

LOOK_SECONDS = 5.0
"""How long one that changed, or was taken away, is found as it was at most; a run goes on with the session
that it has."""


def whole_name(name: str, tenant_id: int) -> str:
    """Return what the whole install calls a tenant's own transport, by either of its names."""
    return name if owner_of(name) == tenant_id else f"{name}@{tenant_id}"


def owner_of(whole: str) -> int | None:
    """Return whose own transport this name means; None where it is the platform's."""
    _, at, digits = whole.rpartition("@")
    return int(digits) if at and digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def _loads_none(driver: str) -> type[Transport[Any]]:
    raise PluginError(f"This process loads no transport {driver!r}: it was assembled without.")


class _Made(msgspec.Struct, frozen=True):
    sealed: Sealed
    transport: Transport[Any]


class OwnTransports:
    """Those that this process has made; for all its threads."""

    def __init__(self, load: Callable[[str], type[Transport[Any]]] = _loads_none) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._made: dict[str, _Made] = {}
        self._looked_at: dict[str, float] = {}
        self._replaced: list[Transport[Any]] = []
        """Sessions of theirs may go on, so they are closed with the process."""

    def make(self, name: str, driver: str, settings: Mapping[str, Any], runtime: Runtime) -> Transport[Any]:
        """Make a transport of a tenant's settings alone: the environment holds the platform's secrets. Raises
        ConfigError, PluginError."""
        loaded = self._load(driver)
        config = load(loaded.Config, table=settings, environ={}, where=f"transport {name}")
        return loaded(name, config, msgspec.structs.replace(runtime, environ={}))

    def get(self, store: Store[Any], runtime: Runtime, whole: str) -> Transport[Any] | None:
        """Return the transport of a whole name, as of a moment ago; None where there is none, or it cannot be
        made (the log says why). Raises StoreError where it was never seen."""
        tenant_id = owner_of(whole)
        if tenant_id is None:
            return None
        with self._lock:
            made, now = self._made.get(whole), runtime.monotonic()
            if made is None or now - self._looked_at[whole] >= LOOK_SECONDS:
                made = self._look(store, runtime, whole, tenant_id, made)
                self._looked_at[whole] = now
            return made.transport if made else None

    def _look(
        self, store: Store[Any], runtime: Runtime, whole: str, tenant_id: int, before: _Made | None
    ) -> _Made | None:
        try:
            with store.begin(tenant_id, write=False) as unit:
                sealed = unit.own_transports.get(whole.rpartition("@")[0])
        except StoreError:
            if before is None:
                raise
            return before
        if before is not None and sealed == before.sealed:
            return before
        if before is not None:
            self._replaced.append(before.transport)
            del self._made[whole]
        if sealed is None or runtime.secrets is None:
            return None
        try:
            settings = msgspec.json.decode(runtime.secrets.decrypt(sealed.settings), type=dict[str, Any])
            made = _Made(sealed, self.make(whole, sealed.driver, settings, runtime))
        except CourierXError as problem:
            log.error("transport %s cannot be made: %s", whole, problem)
            return None
        self._made[whole] = made
        return made

    def close(self) -> None:
        """Close every one; safe to call twice."""
        with self._lock:
            for each in [*self._replaced, *(made.transport for made in self._made.values())]:
                each.close()
            self._made.clear()
            self._replaced.clear()
