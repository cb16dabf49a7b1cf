"""Who of a few named recipients may not be mailed, and why. The `sets_*` modules say the same as a set.

A tenant's suppression comes before the platform's, an address before its domain, and all before the
person's own status. An unsubscribe stops broadcast mail only.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, or_

from courierx_core.ports.transport import Stream
from courierx_core.suppression.model import PLATFORM_WIDE, domain_of
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.tables import subscribers, suppressions

STATUS_CAUSES = {"unsubscribed": "unsubscribe", "bounced": "hard_bounce", "complained": "complaint"}


def causes(
    tenant: Accessor, stream: Stream, addresses: Sequence[str], subscriber_ids: Sequence[int | None]
) -> list[str]:
    """Return each recipient's cause; '' for those who may be mailed."""
    by_address = _of_addresses(tenant, addresses)
    by_person = _of_people(tenant, [each for each in subscriber_ids if each is not None])
    found = []
    for address, person in zip(addresses, subscriber_ids, strict=True):
        own = by_person.get(person, "") if person is not None else ""
        listed = [(address, False), (domain_of(address), False), (address, True), (domain_of(address), True)]
        choices = (*(by_address.get(each, "") for each in listed), own)
        found.append(next((cause for cause in choices if _stops(cause, stream)), ""))
    return found


def is_suppressed(tenant: Accessor, stream: Stream) -> ColumnElement[bool]:
    """Say of a row of `subscribers` that it may not be mailed."""
    columns = suppressions.c
    statuses = [status for status, cause in STATUS_CAUSES.items() if _stops(cause, stream)]
    find = func.instr if tenant.connection.dialect.name == "sqlite" else func.strpos
    email = subscribers.c.email
    domain = func.substr(email, find(email, "@"))
    listed = tenant.select_shared(suppressions, columns.id).where(
        or_(columns.address == email, columns.address == domain),
        or_(columns.expires_at.is_(None), columns.expires_at > now()),
        *([] if stream == "broadcast" else [columns.cause != "unsubscribe"]),
    )
    return or_(subscribers.c.status.in_(statuses), listed.exists())


def _stops(cause: str, stream: Stream) -> bool:
    return bool(cause) and (stream == "broadcast" or cause != "unsubscribe")


def _of_addresses(tenant: Accessor, addresses: Sequence[str]) -> dict[tuple[str, bool], str]:
    """Return the cause by (address or domain, whether it is the platform's)."""
    columns = suppressions.c
    asked = {*addresses, *map(domain_of, addresses)}
    statement = tenant.select_shared(suppressions, columns.tenant_id, columns.address, columns.cause).where(
        columns.address.in_(asked), or_(columns.expires_at.is_(None), columns.expires_at > now())
    )
    return {(row.address, row.tenant_id == PLATFORM_WIDE): row.cause for row in tenant.execute(statement)}


def _of_people(tenant: Accessor, ids: Sequence[int]) -> dict[int, str]:
    if not ids:
        return {}
    columns = subscribers.c
    statement = tenant.select(subscribers, columns.id, columns.status).where(columns.id.in_(ids))
    return {row.id: STATUS_CAUSES.get(row.status, "") for row in tenant.execute(statement)}
