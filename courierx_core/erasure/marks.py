"""Marks: the keyed hash that is all that stays of an erased person, on the tenant's suppression list.

The key is the tenant's own, encrypted at rest, so that a mark outlives a rotation of COURIERX_SECRET_KEY and
a dump of the database does not tell whether somebody is among the erased.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence

from courierx_core.courier import Courier
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.model import Suppression

SIGN = "#"
"""How a mark begins: no address and no domain does."""


def mark(key: bytes, address: str) -> str:
    return SIGN + hmac.new(key, address.encode(), hashlib.sha256).hexdigest()


def key_of(courier: Courier, unit: UnitOfWork) -> bytes:
    """Return the tenant's key, made now if it has none. Raises ConfigError without COURIERX_SECRET_KEY."""
    kept = unit.erasures.key() or unit.erasures.keep_key(courier.secrets.encrypt(secrets.token_bytes(32)))
    return courier.secrets.decrypt(kept)


def erased_among(courier: Courier, unit: UnitOfWork, addresses: Collection[str]) -> frozenset[str]:
    """Return those of these addresses (at most 10,000, normalised) whose person was erased."""
    kept = unit.erasures.key() if addresses else None
    if kept is None:
        return frozenset()
    key = courier.secrets.decrypt(kept)
    by_mark = {mark(key, address): address for address in addresses}
    return frozenset(by_mark[each] for each in unit.suppressions.among(by_mark))


def marks_of(courier: Courier, unit: UnitOfWork, address: str) -> Sequence[Suppression]:
    """Return the suppression that an erased person's address is listed as, if there is one."""
    kept = unit.erasures.key()
    if kept is None:
        return ()
    return unit.suppressions.list(address=mark(courier.secrets.decrypt(kept), address))
