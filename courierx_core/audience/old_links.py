"""Links in mail that another system sent: they name a person in its words, and still stop mail."""

from __future__ import annotations

from collections.abc import Sequence

from courierx_core.audience.model import Subscriber
from courierx_core.audience.preferences import GONE, Preferences, standing_of
from courierx_core.courier import Courier
from courierx_core.errors import NotFound
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.model import Suppression

REASON = "unsubscribed by a link of the former system"


def look(courier: Courier, name: str) -> Preferences:
    """Return how the person stands whom a link means. Raises NotFound."""
    return _first(_people(courier, name, write=False))


def unsubscribe(courier: Courier, name: str) -> Preferences:
    """Stop every mailing to the person, of each tenant that took the link in; a second time changes nothing.
    Raises NotFound."""
    return _first(_people(courier, name, write=True))


def _people(courier: Courier, name: str, *, write: bool) -> list[Preferences]:
    found = []
    with courier.store.platform(write=False) as platform:
        meant = platform.old_links.find(name)
    for tenant_id, subscriber_id in meant:
        with courier.store.begin(tenant_id, write=write) as unit:
            try:
                person = unit.subscribers.get(subscriber_id)
            except NotFound:  # removed, or erased
                continue
            if write:
                _stop(unit, person)
            found.append(_preferences(courier, unit, person))
    return found


def _stop(unit: UnitOfWork, person: Subscriber) -> None:
    unit.suppressions.strengthen(
        Suppression(tenant_id=unit.tenant_id, address=person.email, reason=REASON, cause="unsubscribe")
    )


def _preferences(courier: Courier, unit: UnitOfWork, person: Subscriber) -> Preferences:
    language = person.attributes.get("language")
    return Preferences(
        tenant=unit.tenant,
        address=person.email,
        language=language if isinstance(language, str) else "",
        standing=standing_of(unit, person.email, courier.runtime.now()),
        choices=(),
        delivery_id=None,
    )


def _first(found: Sequence[Preferences]) -> Preferences:
    if not found:
        raise NotFound(GONE)
    return found[0]
