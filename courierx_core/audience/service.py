"""Use cases of the audience: one person added. A file of them is an import (`courierx_core.imports`)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from courierx_core.audience.model import Subscriber
from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.erasure.marks import erased_among
from courierx_core.errors import InvalidInput
from courierx_core.ports.store import UnitOfWork

NAME_MAX = 255
ATTRIBUTES_MAX = 64 * 1024
"""Bytes of a subscriber's attributes as JSON."""


def add_subscriber(courier: Courier, unit: UnitOfWork, subscriber: Subscriber) -> Subscriber:
    """Add one person. Raises InvalidInput with every bad field, or for a person who was erased; Conflict when
    the address is known."""
    person = checked(subscriber)
    if erased_among(courier, unit, [person.email]):
        raise InvalidInput.of(
            "email", "erased", "belongs to a person who was erased; remove that suppression to take it again"
        )
    return unit.subscribers.add(person)


def checked(subscriber: Subscriber) -> Subscriber:
    """Return it with its address normalised, or raise InvalidInput listing what is wrong."""
    checks = Checks()
    email = checks.address("email", subscriber.email)
    names = {
        field: checks.text(field, getattr(subscriber, field), longest=NAME_MAX, required=False)
        for field in ("first_name", "last_name")
    }
    encoded = msgspec.json.encode(subscriber.attributes)
    if len(encoded) > ATTRIBUTES_MAX:
        checks.add("attributes", "too_long", f"take at most {ATTRIBUTES_MAX} bytes of JSON")
    elif rb"\u0000" in encoded and _holds_nul(subscriber.attributes):
        checks.add("attributes", "invalid", "must not hold a NUL character")
    checks.done()
    return msgspec.structs.replace(subscriber, email=email, **names)


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))
