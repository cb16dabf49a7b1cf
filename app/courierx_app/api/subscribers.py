"""/subscribers: the people a tenant may write to."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
from anyio.to_thread import run_sync
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from courierx_app.api.addresses import GivenAddress, email_of
from courierx_app.api.body import Body, MalformedBody, read_body
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.paging import Cursor, Limit, page, searchable
from courierx_app.api.scopes import needs
from courierx_core.audience.model import Subscriber, SubscriberStatus
from courierx_core.audience.service import ImportReport, add_subscriber, checked, import_csv
from courierx_core.courier import Courier
from courierx_core.errors import Conflict, InvalidInput, NotFound
from courierx_core.tenants import service as tenants

IMPORT_MAX_BYTES = 1 << 30
_IN_MEMORY = 1 << 20


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


class CsvImport(msgspec.Struct, frozen=True, kw_only=True):
    csv_text: str
    tenant_id: int | None = None
    on_conflict: Literal["skip", "update"] = "skip"


class ImportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    imported: int
    skipped: int
    updated: int
    bad: int
    errors: Sequence[Any]


_IMPORT_BODY = RequestBody(
    content={
        "application/json": OpenAPIMediaType(schema=Schema(description="tenant_id, csv_text, on_conflict")),
        "text/csv": OpenAPIMediaType(schema=Schema(description="The file; tenant_id in the query")),
        "multipart/form-data": OpenAPIMediaType(schema=Schema(description="file, tenant_id, on_conflict")),
    }
)


class _ImportOperation(Operation):
    def __post_init__(self) -> None:
        self.request_body = _IMPORT_BODY


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
        self, courier: TheCourier, caller: TheCaller, data: JSONBody[NewSubscriber]
    ) -> SubscriberAnswer:
        """Add a person; 409 where the tenant has the address."""
        tenant_id = caller.tenant(data.tenant_id)
        person = Subscriber(
            tenant_id=tenant_id,
            email=email_of(data.email, "email"),
            first_name=data.first_name,
            last_name=data.last_name,
            attributes=data.attributes,
        )
        with courier.store.begin(tenant_id) as unit:
            tenants.require(unit)
            try:
                return shown(add_subscriber(unit, person))
            except Conflict:
                # The words that clients of the reference look for.
                raise Conflict("Subscriber already exists") from None

    @get("/", opt=needs("subscribers:read"), sync_to_thread=True)
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        status: FromQuery[SubscriberStatus | None] = None,
        on_list: Annotated[
            int | None, QueryParameter(name="list", description="Only those subscribed to this list.")
        ] = None,
        q: Annotated[str, QueryParameter(max_length=254, description="Part of an address or a name.")] = "",
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
    def get_(self, courier: TheCourier, caller: TheCaller, subscriber_id: FromPath[int]) -> SubscriberAnswer:
        """Show a person."""
        with courier.store.begin(caller.owner(courier, "subscribers", subscriber_id), write=False) as unit:
            return shown(unit.subscribers.get(subscriber_id))

    @get("/by-email/{email:str}", opt=needs("subscribers:read"), sync_to_thread=True)
    def by_email(
        self,
        courier: TheCourier,
        caller: TheCaller,
        email: FromPath[str],
        tenant_id: FromQuery[int | None] = None,
    ) -> SubscriberAnswer:
        """Show the person an address belongs to."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.subscribers.by_email(email_of(email, "email"))
        if found is None:
            raise NotFound(f"There is no subscriber {email}.")
        return shown(found)

    @patch(
        "/{subscriber_id:int}",
        dto=Body[SubscriberChanges],
        return_dto=None,
        opt=needs("subscribers:write"),
        sync_to_thread=True,
    )
    def edit(
        self,
        courier: TheCourier,
        caller: TheCaller,
        subscriber_id: FromPath[int],
        data: JSONBody[SubscriberChanges],
    ) -> SubscriberAnswer:
        """Change what is given; `attributes` replaces them all."""
        changes = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not None}
        with courier.store.begin(caller.owner(courier, "subscribers", subscriber_id)) as unit:
            person = unit.subscribers.get(subscriber_id)
            return shown(unit.subscribers.save(checked(msgspec.structs.replace(person, **changes))))

    @delete("/{subscriber_id:int}", opt=needs("subscribers:write"), sync_to_thread=True)
    def remove(self, courier: TheCourier, caller: TheCaller, subscriber_id: FromPath[int]) -> None:
        """Remove a person."""
        with courier.store.begin(caller.owner(courier, "subscribers", subscriber_id)) as unit:
            unit.subscribers.get(subscriber_id)
            unit.subscribers.remove(subscriber_id)

    @post(
        "/bulk-import",
        status_code=200,
        request_max_body_size=IMPORT_MAX_BYTES,
        operation_class=_ImportOperation,
        opt=needs("imports:write"),
    )
    async def bulk_import(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        on_conflict: Annotated[
            Literal["skip", "update"], QueryParameter(description="What to do with people who are known.")
        ] = "skip",
    ) -> ImportAnswer:
        """Import CSV: JSON with `csv_text`, a streamed `text/csv` body, or a multipart `file`.

        400 without an address column.
        """
        kind = request.content_type[0]
        if kind == "text/csv":
            with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
                async for chunk in request.stream():
                    file.write(chunk)
                file.seek(0)
                return await _import(courier, caller.tenant(tenant_id), file, on_conflict)
        if kind == "multipart/form-data":
            form = await request.form()
            upload = next((value for value in form.values() if isinstance(value, UploadFile)), None)
            if upload is None:
                raise MalformedBody.of("file", "required", "The form holds no file.")
            given = CsvImport(
                csv_text="",
                tenant_id=_whole(form.get("tenant_id"), tenant_id),
                on_conflict="update" if form.get("on_conflict", on_conflict) == "update" else "skip",
            )
            return await _import(courier, caller.tenant(given.tenant_id), upload.file, given.on_conflict)
        data = read_body(CsvImport, await request.body())
        stream = io.BytesIO(data.csv_text.encode("utf-8", "surrogatepass"))
        return await _import(courier, caller.tenant(data.tenant_id or tenant_id), stream, data.on_conflict)


def shown(person: Subscriber) -> SubscriberAnswer:
    return SubscriberAnswer(**msgspec.structs.asdict(person))


async def _import(courier: Courier, tenant_id: int, stream: Any, on_conflict: str) -> ImportAnswer:
    return await run_sync(_import_now, courier, tenant_id, stream, on_conflict == "update")


def _import_now(courier: Courier, tenant_id: int, stream: BinaryIO, update: bool) -> ImportAnswer:
    with courier.store.begin(tenant_id, write=False) as unit:
        tenants.require(unit)
    try:
        report: ImportReport = import_csv(courier, tenant_id, stream, update=update)
    except InvalidInput as problem:
        # Nothing of the file can be read, which the reference answers with 400.
        raise MalformedBody(*problem.problems) from problem
    return ImportAnswer(
        imported=report.imported,
        skipped=report.skipped,
        updated=report.updated,
        bad=report.bad,
        errors=report.errors,
    )


def _whole(given: object, otherwise: int | None) -> int | None:
    if given is None:
        return otherwise
    if not (isinstance(given, str) and given.isascii() and given.isdigit()):
        raise ClientException("tenant_id takes a whole number.")
    return int(given)
