"""/subscribers: the people a tenant may write to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from courierx_app.api.addresses import GivenAddress, email_of
from courierx_app.api.body import Body
from courierx_app.api.etag import TheMatch, tagged
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, TheOnce
from courierx_app.api.imports import OnConflict, Taken, answer_upload, upload_route
from courierx_app.api.paging import Cursor, Limit, page, searchable
from courierx_app.api.scopes import needs
from courierx_app.api.uploads import uploaded
from courierx_core.audience.model import Subscriber, SubscriberStatus
from courierx_core.audience.service import add_subscriber, checked
from courierx_core.erasure.service import erase
from courierx_core.errors import Conflict, NotFound
from courierx_core.imports.model import Options
from courierx_core.ports.erasures import Erased

OnList: TypeAlias = Annotated[
    int | None, QueryParameter(name="list", description="Only those subscribed to this list.")
]
Searched: TypeAlias = Annotated[
    str, QueryParameter(max_length=254, description="Part of an address or a name.")
]

Meanings: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        max_length=10_000,
        description='What columns mean, as JSON: {"Their header": "email", "Ort": "city"}.',
    ),
]


class NewSubscriber(msgspec.Struct, frozen=True, kw_only=True):
    email: GivenAddress
    tenant_id: int | None = None
    first_name: str = ""
    last_name: str = ""
    attributes: dict[str, Any] = {}


class SubscriberChanges(msgspec.Struct, frozen=True, kw_only=True):
    first_name: str | None = None
    last_name: str | None = None
    status: SubscriberStatus | None = None
    attributes: dict[str, Any] | None = None


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    email: GivenAddress
    tenant_id: int | None = None


class SubscriberAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    tenant_id: int
    email: str
    first_name: str
    last_name: str
    status: SubscriberStatus
    attributes: dict[str, Any]
    created_at: datetime | None
    updated_at: datetime | None


class SubscriberImport(msgspec.Struct, frozen=True, kw_only=True):
    """What an upload says beside its file."""

    tenant_id: int | None = None
    on_conflict: Literal["skip", "update"] = "skip"
    list_id: int | None = None
    mapping: dict[str, str] = {}


class SubscriberController(Controller):
    path = "/subscribers"
    tags = ("Subscribers",)

    @post(
        "/",
        dto=Body[NewSubscriber],
        return_dto=None,
        status_code=200,
        opt=needs("subscribers:write"),
        sync_to_thread=True,
    )
    def create(
        self, once: TheOnce, courier: TheCourier, caller: TheCaller, data: JSONBody[NewSubscriber]
    ) -> Response[SubscriberAnswer]:
        """Add a person; 409 where the tenant has the address."""
        tenant_id = caller.tenant(data.tenant_id)
        person = Subscriber(
            tenant_id=tenant_id,
            email=email_of(data.email, "email"),
            first_name=data.first_name,
            last_name=data.last_name,
            attributes=data.attributes,
        )

        def add(answer: Answering) -> None:
            with courier.store.begin(tenant_id) as unit:
                caller.require_tenant(unit)
                try:
                    answer(unit, shown(add_subscriber(courier, unit, person)))
                except Conflict:
                    # The words that clients of the reference look for.
                    raise Conflict("Subscriber already exists") from None

        return once(tenant_id, data, add)

    @get("/", opt=needs("subscribers:read"), sync_to_thread=True)
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        status: FromQuery[SubscriberStatus | None] = None,
        on_list: OnList = None,
        q: Searched = "",
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[SubscriberAnswer]]:
        """List people, newest first."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            if on_list is not None:
                unit.lists.get(on_list)
            found = unit.subscribers.list(
                before=cursor, limit=limit, status=status, list_id=on_list, q=searchable(q)
            )
        return page(request, [shown(each) for each in found], limit)

    @get("/{subscriber_id:int}", opt=needs("subscribers:read"), sync_to_thread=True)
    def get_(
        self, courier: TheCourier, caller: TheCaller, subscriber_id: FromPath[int]
    ) -> Response[SubscriberAnswer]:
        """Show a person."""
        with courier.store.begin(caller.owner(courier, "subscribers", subscriber_id), write=False) as unit:
            found = unit.subscribers.get(subscriber_id)
        return tagged(shown(found), found)

    @get("/by-email/{email:str}", opt=needs("subscribers:read"), sync_to_thread=True)
    def by_email(
        self,
        courier: TheCourier,
        caller: TheCaller,
        email: FromPath[str],
        tenant_id: FromQuery[int | None] = None,
    ) -> Response[SubscriberAnswer]:
        """Show the person an address belongs to."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.subscribers.by_email(email_of(email, "email"))
        if found is None:
            raise NotFound(f"There is no subscriber {email}.")
        return tagged(shown(found), found)

    @patch(
        "/{subscriber_id:int}",
        dto=Body[SubscriberChanges],
        return_dto=None,
        opt=needs("subscribers:write"),
        sync_to_thread=True,
    )
    def edit(
        self,
        match: TheMatch,
        courier: TheCourier,
        caller: TheCaller,
        subscriber_id: FromPath[int],
        data: JSONBody[SubscriberChanges],
    ) -> Response[SubscriberAnswer]:
        """Change what is given; `attributes` replaces them all."""
        changes = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not None}
        with match.unit(courier, caller.owner(courier, "subscribers", subscriber_id)) as unit:
            person = unit.subscribers.get(subscriber_id)
            match.check(person)
            saved = unit.subscribers.save(checked(msgspec.structs.replace(person, **changes)))
        return tagged(shown(saved), saved)

    @delete("/{subscriber_id:int}", opt=needs("subscribers:write"), sync_to_thread=True)
    def remove(
        self, match: TheMatch, courier: TheCourier, caller: TheCaller, subscriber_id: FromPath[int]
    ) -> None:
        """Remove a person."""
        with match.unit(courier, caller.owner(courier, "subscribers", subscriber_id)) as unit:
            match.check(unit.subscribers.get(subscriber_id))
            unit.subscribers.remove(subscriber_id)

    @post(
        "/erase",
        dto=Body[Erasure],
        return_dto=None,
        status_code=200,
        opt=needs("subscribers:erase"),
        sync_to_thread=True,
    )
    def erase(self, courier: TheCourier, caller: TheCaller, data: JSONBody[Erasure]) -> Erased:
        """Take a person out of everything the tenant has, for good, whether they are a subscriber or not.

        What stays is a keyed hash on the suppression list, which keeps them off, and the counts of reports.
        Safe to repeat; 409 while an import or a message to them is under way, and nothing goes to them from
        then on.
        """
        tenant_id = caller.tenant(data.tenant_id)
        with courier.store.begin(tenant_id, write=False) as unit:
            caller.require_tenant(unit)
        return erase(courier, tenant_id, email_of(data.email, "email"))

    @post("/bulk-import", **upload_route("imports:write"))
    async def bulk_import(
        self,
        request: Request[Any, Any, Any],
        once: TheOnce,
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        on_conflict: OnConflict = None,
        list_id: FromQuery[int | None] = None,
        mapping: Meanings = None,
    ) -> Response[Taken]:
        """Import CSV or the first sheet of an .xlsx workbook: JSON with `csv_text`, the file as the body, or
        a multipart `file`.

        400 without an address column. A workbook, a file of more than a megabyte, or any with `Prefer:
        respond-async`, is taken in by a worker: 202, and an import to ask for.
        """
        async with uploaded(request) as upload:
            query = {
                "tenant_id": tenant_id, "on_conflict": on_conflict, "list_id": list_id, "mapping": mapping,
            }  # fmt: skip
            asked = upload.asked(SubscriberImport, query)
            options = Options(
                update=asked.on_conflict == "update", list_id=asked.list_id, mapping=asked.mapping
            )
            owner = caller.tenant(asked.tenant_id)
            return await answer_upload(request, once, courier, owner, upload, options, "subscribers")


def shown(person: Subscriber) -> SubscriberAnswer:
    return SubscriberAnswer(**msgspec.structs.asdict(person))
