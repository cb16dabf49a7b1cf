"""Senders: whom a tenant's mail comes from."""

from __future__ import annotations

from courierx_core.courier import Courier
from courierx_core.mail.address import Address, split_address
from courierx_core.ports.store import UnitOfWork


def default_sender(courier: Courier, unit: UnitOfWork) -> Address | None:
    """Return whom mail comes from that names no sender: the tenant's own default, else the install's."""
    found = unit.tenant.default_from or courier.policy.default_sender
    return split_address(found, "from_email") if found else None
