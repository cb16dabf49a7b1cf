"""/events: what came back about deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, FromQuery

from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.paging import Cursor, Limit, Since, moment, page
from courierx_app.api.scopes import needs
from courierx_core.feedback.model import BounceClass, Event, FeedbackKind


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    tenant_id: int
    at: datetime
    kind: FeedbackKind
    message_id: int | None
    delivery_id: int | None
    recipient: str
    source: str
    machine: bool
    provider_id: str
    status: str
    reply: str
    bounce: BounceClass | None
    url: str
    user_agent: str
    raw: Mapping[str, Any]


@get("/events", tags=["Events"], opt=needs("events:read"), sync_to_thread=True)
def list_events(
    request: Request[Any, Any, Any],
    courier: TheCourier,
    caller: TheCaller,
    tenant_id: FromQuery[int | None] = None,
    kind: FromQuery[FeedbackKind | None] = None,
    since: Since = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[Sequence[EventAnswer]]:
    """List events, newest first: delivered, bounced, complained, opened ..."""
    with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
        kinds = [] if kind is None else [kind]
        found = unit.events.list(kinds=kinds, since=moment("since", since), before=cursor, limit=limit)
    return page(request, [shown(each) for each in found], limit)


@get("/deliveries/{delivery_id:int}/events", tags=["Events"], opt=needs("events:read"), sync_to_thread=True)
def events_of_delivery(
    request: Request[Any, Any, Any],
    courier: TheCourier,
    caller: TheCaller,
    delivery_id: FromPath[int],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[Sequence[EventAnswer]]:
    """List what came back about one delivery, newest first."""
    with courier.store.begin(caller.owner(courier, "deliveries", delivery_id), write=False) as unit:
        unit.deliveries.get(delivery_id)
        found = unit.events.list(delivery_id=delivery_id, before=cursor, limit=limit)
    return page(request, [shown(each) for each in found], limit)


@get(
    "/subscribers/{subscriber_id:int}/events", tags=["Events"], opt=needs("events:read"), sync_to_thread=True
)
def events_of_subscriber(
    request: Request[Any, Any, Any],
    courier: TheCourier,
    caller: TheCaller,
    subscriber_id: FromPath[int],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[Sequence[EventAnswer]]:
    """List what came back from a person's address, newest first."""
    with courier.store.begin(caller.owner(courier, "subscribers", subscriber_id), write=False) as unit:
        person = unit.subscribers.get(subscriber_id)
        found = unit.events.list(recipient=person.email, before=cursor, limit=limit)
    return page(request, [shown(each) for each in found], limit)


def shown(event: Event) -> EventAnswer:
    return msgspec.convert(event, EventAnswer, from_attributes=True)


EVENT_ROUTES = (list_events, events_of_delivery, events_of_subscriber)
