"""What commands need first: the configuration of this folder, the assembled system, a tenant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from courierx_app.cli.acting import acting
from courierx_core.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from courierx_app.settings import Configuration
    from courierx_core.courier import Courier
    from courierx_core.tenants.model import Tenant


def configuration() -> Configuration:
    """Read the settings of the folder the command runs in."""
    from courierx_app.settings import read

    return read(Path.cwd(), os.environ)


@contextmanager
def courier(*, migrate: bool = False, acts: bool = True) -> Iterator[Courier]:
    """Assemble the system that this folder's settings name, and close it at the end. What a command `acts`
    on is a person's change; what a worker does is the system's."""
    from courierx_app.container import opened

    with opened(configuration(), migrate=migrate) as made, acting() if acts else nullcontext():
        yield made


def tenant_named(courier: Courier, text: str | None) -> Tenant:
    """Find a tenant by id or name; without a text the only one there is.

    Raises NotFound, and InvalidInput when there are several to choose from.
    """
    with courier.store.platform() as unit:
        everyone = list(unit.tenants.list(limit=1000))
        if text and text.isascii() and text.isdigit():
            return unit.tenants.get(int(text))
    if text:
        for tenant in everyone:
            if tenant.name.casefold() == text.casefold():
                return tenant
        raise NotFound(f"There is no tenant {text!r}; `courierx tenants list` shows them.")
    if len(everyone) == 1:
        return everyone[0]
    if not everyone:
        raise NotFound("There is no tenant yet: `courierx tenants add NAME --email ADDRESS` makes one.")
    raise InvalidInput.of("--tenant", "required", "there are several tenants; name one by id or name")
