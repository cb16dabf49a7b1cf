"""Give a tenant a transport of its own, and take it away. Who does is the platform: what a transport dials is
a host of the operator's choice, not of a tenant's."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.errors import ConfigError, NotFound, PluginError
from courierx_core.ports.store import UnitOfWork
from courierx_core.tenants.service import require
from courierx_core.transports.model import OwnTransport

Setting = str | int | float | bool
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
OWN_MAX = 20
"""How many a tenant may have."""


def give(
    courier: Courier, unit: UnitOfWork, name: str, driver: str, settings: Mapping[str, Setting]
) -> OwnTransport:
    """Give the tenant a transport, or change it: a worker goes over it as it is now once it has sent what it
    is at. Raises NotFound, InvalidInput, ConfigError where this process keeps no secrets."""
    require(unit)
    checks = Checks()
    if not NAME.fullmatch(name):
        checks.add("name", "invalid", f"takes up to 40 of a-z, 0-9, - and _, not {name!r:.60}")
    elif courier.ways(name):
        checks.add("name", "taken", f"{name} is the platform's; the tenant's needs another name")
    elif len({name, *(each.name for each in unit.own_transports.list())}) > OWN_MAX:
        checks.add("name", "too_many", f"a tenant has at most {OWN_MAX} transports of its own")
    try:
        courier.own_transports.make(name, driver, settings, courier.runtime).close()
    except PluginError as problem:
        checks.add("driver", "invalid", str(problem))
    except ConfigError as problem:
        checks.add("settings", "invalid", str(problem))
    checks.done()
    sealed = courier.secrets.encrypt(msgspec.json.encode(settings))
    return unit.own_transports.save(name, driver, sealed)


def take_away(unit: UnitOfWork, name: str) -> None:
    """Take it away: what is on its way over it pauses, and says so. Raises NotFound."""
    if not unit.own_transports.remove(name):
        raise NotFound(f"Tenant {unit.tenant_id} has no transport of its own called {name!r:.60}.")
