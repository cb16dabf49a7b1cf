"""What a person does by the links of a mail: stop all mailings of a tenant, take them again, choose lists.

Looking changes nothing. A tenant is what one-click unsubscribe ends (List-Id names the tenant): who says
stop gets no further mailing, whatever list it goes to. Transactional mail still comes.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from courierx_core.audience.model import MailingList
from courierx_core.courier import Courier
from courierx_core.errors import NotFound
from courierx_core.feedback.service import count, named_by, record
from courierx_core.mail.token import Kind
from courierx_core.ports.feedback import Feedback
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.model import Suppression, domain_of
from courierx_core.tenants.model import Tenant

SOURCE = "link"
"""Where the events of these links come from."""
LISTS_SHOWN = 100
GONE = "This link is incomplete, or the message is no longer kept."

Standing: TypeAlias = Literal[
    "receives",
    "unsubscribed",  # by their own word, which they can take back
    "blocked",  # suppressed for another reason, which a link does not lift
]


class Choice(msgspec.Struct, frozen=True):
    """A public list, and whether the person is on it."""

    list: MailingList
    subscribed: bool


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """How a person stands with a tenant. `choices` is empty where there is nothing to choose."""

    tenant: Tenant
    address: str
    language: str
    """What the person's attribute `language` says; '' where it says nothing."""
    standing: Standing
    choices: tuple[Choice, ...]
    delivery_id: int | None
    """Of the mail the link is in; None where another system sent it (`old_links`)."""


def look(courier: Courier, token: str, kind: Kind) -> Preferences:
    """Return how the person stands whose mail holds a token of that kind. Raises NotFound."""
    tenant_id, delivery_id = _named(courier, token, kind)
    with courier.store.begin(tenant_id, write=False) as unit:
        return _preferences(courier, unit, delivery_id)


def unsubscribe(
    courier: Courier, token: str, kind: Kind, *, user_agent: str = "", source: str = SOURCE
) -> Preferences:
    """Stop every mailing of the tenant to the person; a second time changes nothing. Raises NotFound."""
    tenant_id, delivery_id = _named(courier, token, kind)
    with courier.store.begin(tenant_id) as unit:
        _stop(courier, unit, delivery_id, user_agent, source)
        return _preferences(courier, unit, delivery_id)


def resubscribe(courier: Courier, token: str, kind: Kind) -> Preferences:
    """Take back an unsubscribe, and nothing else that holds mail back. Raises NotFound."""
    tenant_id, delivery_id = _named(courier, token, kind)
    with courier.store.begin(tenant_id) as unit:
        resume(unit, _address(unit, delivery_id))
        return _preferences(courier, unit, delivery_id)


def choose(
    courier: Courier, token: str, kind: Kind, list_ids: Collection[int], *, user_agent: str = ""
) -> Preferences:
    """Put the person on exactly these of the public lists; with none of them, stop every mailing.

    Other lists, and ids that name no public list, are left alone. Raises NotFound.
    """
    tenant_id, delivery_id = _named(courier, token, kind)
    with courier.store.begin(tenant_id) as unit:
        address = _address(unit, delivery_id)
        person = unit.subscribers.by_email(address)
        chosen = False
        for choice in _choices(unit, address):
            assert person is not None
            wanted = choice.list.id in list_ids
            chosen |= wanted
            if wanted and not choice.subscribed:
                unit.lists.subscribe(choice.list.id, [person.id], again=True)
            elif choice.subscribed and not wanted:
                unit.lists.unsubscribe(choice.list.id, [person.id])
        if chosen:
            resume(unit, address)
        else:
            _stop(courier, unit, delivery_id, user_agent)
        return _preferences(courier, unit, delivery_id)


def resume(unit: UnitOfWork, address: str) -> None:
    """Lift an address's unsubscribe, and no other suppression."""
    for each in unit.suppressions.list(address=address):
        if each.cause == "unsubscribe":
            unit.suppressions.remove(each.id)
    person = unit.subscribers.by_email(address)
    if person is not None and person.status == "unsubscribed":
        unit.subscribers.save(msgspec.structs.replace(person, status="active"))


def _named(courier: Courier, token: str, kind: Kind) -> tuple[int, int]:
    named = named_by(courier, token, kind)
    if named is None:
        raise NotFound(GONE)
    return named


def _address(unit: UnitOfWork, delivery_id: int) -> str:
    try:
        address = unit.deliveries.get(delivery_id).address
    except NotFound:  # it was pruned: whom it was for is known
        address = _address_of(unit, unit.pruning.person(delivery_id))
    if not address:  # the person was erased
        raise NotFound(GONE)
    return address


def _address_of(unit: UnitOfWork, subscriber_id: int | None) -> str:
    try:
        return "" if subscriber_id is None else unit.subscribers.get(subscriber_id).email
    except NotFound:
        return ""


def _stop(
    courier: Courier, unit: UnitOfWork, delivery_id: int, user_agent: str, source: str = SOURCE
) -> None:
    now = courier.runtime.now()
    try:
        address = unit.deliveries.lock(delivery_id).address
    except NotFound:  # it was pruned, and its report is closed
        unit.suppressions.strengthen(
            Suppression(
                tenant_id=unit.tenant_id,
                address=_address(unit, delivery_id),
                reason="unsubscribed",
                cause="unsubscribe",
            )
        )
        return
    if not address:
        raise NotFound(GONE)
    if any(each.expires_at is None for each in unit.suppressions.list(address=address)):
        return
    told = Feedback(
        kind="unsubscribed", at=now, event_id=now.isoformat(), recipient=address,
        user_agent=user_agent[:500],
    )  # fmt: skip
    count(courier, record(unit, delivery_id, source, [told]))


def _preferences(courier: Courier, unit: UnitOfWork, delivery_id: int) -> Preferences:
    address = _address(unit, delivery_id)
    person = unit.subscribers.by_email(address)
    language = person.attributes.get("language") if person else ""
    return Preferences(
        tenant=unit.tenant,
        address=address,
        language=language if isinstance(language, str) else "",
        standing=standing_of(unit, address, courier.runtime.now()),
        choices=_choices(unit, address),
        delivery_id=delivery_id,
    )


def _choices(unit: UnitOfWork, address: str) -> tuple[Choice, ...]:
    person = unit.subscribers.by_email(address)
    if person is None:
        return ()
    found = unit.lists.list(public=True, limit=LISTS_SHOWN)
    on = unit.lists.of(person.id) if found else ()
    return tuple(Choice(each, each.id in on) for each in reversed(found))


def standing_of(unit: UnitOfWork, address: str, now: datetime) -> Standing:
    """Say whether an address gets the tenant's mailings now."""
    causes = {
        each.cause
        for listed in (address, domain_of(address))
        for each in unit.suppressions.list(address=listed)
        if each.expires_at is None or each.expires_at > now
    }
    person = unit.subscribers.by_email(address)
    status = person.status if person else "active"
    if causes - {"unsubscribe"} or status in ("bounced", "complained"):
        return "blocked"
    return "unsubscribed" if causes or status == "unsubscribed" else "receives"
