"""Who of a few named recipients may not be mailed, and why. The `sets_*` modules say the same as a set.

A tenant's suppression comes before the platform's, and both before the person's own status. An
unsubscribe stops broadcast mail only.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_

from courierx_core.ports.transport import Stream
from courierx_core.suppression import PLATFORM_WIDE
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
        choices = (*by_address.get(address, ()), own)
        found.append(next((cause for cause in choices if _stops(cause, stream)), ""))
    return found


def _stops(cause: str, stream: Stream) -> bool:
    return bool(cause) and (stream == "broadcast" or cause != "unsubscribe")


def _of_addresses(tenant: Accessor, addresses: Sequence[str]) -> dict[str, tuple[str, ...]]:
    columns = suppressions.c
    statement = (
        tenant.select_shared(suppressions, columns.address, columns.cause)
        .where(columns.address.in_(addresses), or_(columns.expires_at.is_(None), columns.expires_at > now()))
        .order_by(columns.tenant_id == PLATFORM_WIDE)
    )
    found: dict[str, tuple[str, ...]] = {}
    for row in tenant.execute(statement):
        found[row.address] = (*found.get(row.address, ()), row.cause)
    return found


def _of_people(tenant: Accessor, ids: Sequence[int]) -> dict[int, str]:
    if not ids:
        return {}
    columns = subscribers.c
    statement = tenant.select(subscribers, columns.id, columns.status).where(columns.id.in_(ids))
    return {row.id: STATUS_CAUSES.get(row.status, "") for row in tenant.execute(statement)}
