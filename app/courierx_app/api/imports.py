"""/imports: files that workers take in, and the uploads that make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from anyio.to_thread import run_sync
from litestar import Controller, Request, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from courierx_app.api.body import MalformedBody
from courierx_app.api.given import TheCaller, TheCourier
from courierx_app.api.idempotency import Answering, Once
from courierx_app.api.paging import Cursor, Limit, page
from courierx_app.api.scopes import needs
from courierx_app.api.uploads import UPLOAD_MAX_BYTES, Upload, UploadOperation
from courierx_core.courier import Courier
from courierx_core.errors import InvalidInput
from courierx_core.exports.csvlines import csv_lines
from courierx_core.imports import service
from courierx_core.imports.model import BadLine, Import, ImportKind, ImportState, Options
from courierx_core.imports.steps import import_within
from courierx_core.imports.workbook import is_workbook
from courierx_core.tenants import service as tenants

AT_ONCE_BYTES = 1 << 20
"""A file up to this size is taken in while its sender waits, unless `Prefer: respond-async` says not to."""
OnConflict: TypeAlias = Annotated[
    Literal["skip", "update"] | None,
    QueryParameter(description="What to do with people who are known: `skip`, the default, or `update`."),
]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file that was taken in at once; `errors` holds the first of the bad lines."""

    imported: int
    skipped: int
    updated: int
    bad: int
    errors: Sequence[BadLine]


class ImportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`progress` is the part of the file that is in, from 0 to 1."""

    id: int
    tenant_id: int
    kind: ImportKind
    file_name: str
    state: ImportState
    size: int
    progress: float
    imported: int
    skipped: int
    updated: int
    bad: int
    error: str
    created_at: datetime | None
    updated_at: datetime | None
    finished_at: datetime | None


class ImportController(Controller):
    path = "/imports"
    tags = ("Imports",)

    @get("/", sync_to_thread=True, opt=needs("imports:read"))
    def list_(
        self,
        request: Request[Any, Any, Any],
        courier: TheCourier,
        caller: TheCaller,
        tenant_id: FromQuery[int | None] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[Sequence[ImportAnswer]]:
        """List imports, newest first."""
        with courier.store.begin(caller.tenant(tenant_id), write=False) as unit:
            found = unit.imports.list(before=cursor, limit=limit)
        return page(request, [shown(each) for each in found], limit)

    @get("/{import_id:int}", sync_to_thread=True, opt=needs("imports:read"))
    def get_(self, courier: TheCourier, caller: TheCaller, import_id: FromPath[int]) -> ImportAnswer:
        """Show how far an import is."""
        with courier.store.begin(caller.owner(courier, "imports", import_id), write=False) as unit:
            return shown(unit.imports.get(import_id))

    @get("/{import_id:int}/errors.csv", sync_to_thread=True, media_type="text/csv", opt=needs("imports:read"))
    def errors(self, courier: TheCourier, caller: TheCaller, import_id: FromPath[int]) -> Stream:
        """Give the lines that were not taken, with why, as CSV."""
        tenant_id = caller.owner(courier, "imports", import_id)
        with courier.store.begin(tenant_id, write=False) as unit:
            unit.imports.get(import_id)
        name = f'attachment; filename="import-{import_id}-errors.csv"'
        lines = _error_lines(courier, tenant_id, import_id)
        return Stream(lines, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})

    @post("/{import_id:int}/cancel", status_code=200, sync_to_thread=True, opt=needs("imports:write"))
    def cancel(self, courier: TheCourier, caller: TheCaller, import_id: FromPath[int]) -> ImportAnswer:
        """Take nothing more in; who is in stays. 409 when the import is over."""
        with courier.store.begin(caller.owner(courier, "imports", import_id)) as unit:
            return shown(service.cancel(unit, import_id))


def upload_route(scope: str) -> dict[str, Any]:
    """Return what the decorator of a route needs that takes a file in."""
    answer = ResponseSpec(ImportAnswer, description="A worker takes it in", generate_examples=False)
    return {
        "status_code": 200,
        "request_max_body_size": UPLOAD_MAX_BYTES,
        "operation_class": UploadOperation,
        "responses": {202: answer},
        "opt": needs(scope),
    }


async def answer_upload(
    request: Request[Any, Any, Any],
    once: Once,
    courier: Courier,
    tenant_id: int,
    upload: Upload,
    options: Options,
    kind: ImportKind,
) -> Response[Any]:
    """Take a small CSV file in now, 200; hand anything else in for a worker, 202 with where to ask for it."""
    small = upload.size <= AT_ONCE_BYTES and not _prefers_async(request.headers)
    at_once = small and not is_workbook(upload.file)

    def act(answer: Answering) -> None:
        with courier.store.begin(tenant_id, write=False) as unit:
            tenants.require(unit)
        (_take_now if at_once else _hand_in)(answer, courier, tenant_id, upload, options, kind)

    def answered() -> Response[Any]:
        body = (upload.name, upload.fields, upload.digest() if once.key else "")
        return once(tenant_id, body, act, 200 if at_once else 202)

    answer = await run_sync(answered)
    if answer.status_code == 202:
        answer.headers["Location"] = f"/imports/{answer.content['id']}"
    return answer


def shown(found: Import) -> ImportAnswer:
    return ImportAnswer(
        id=found.id,
        tenant_id=found.tenant_id,
        kind=found.kind,
        file_name=found.file_name,
        state=found.state,
        size=found.size,
        progress=round(found.offset / found.size, 3) if found.size else 0.0,
        **msgspec.structs.asdict(found.counts),
        error=found.error,
        created_at=found.created_at,
        updated_at=found.updated_at,
        finished_at=found.finished_at,
    )


def _prefers_async(headers: Mapping[str, str]) -> bool:
    """RFC 7240, section 4.1."""
    return "respond-async" in [each.strip().lower() for each in headers.get("prefer", "").split(",")]


def _take_now(
    answer: Answering, courier: Courier, tenant_id: int, upload: Upload, options: Options, kind: ImportKind
) -> None:
    with _as_malformed(), courier.store.begin(tenant_id) as unit:
        report = import_within(courier, unit, upload.file, options, kind=kind)
        answer(unit, Taken(**msgspec.structs.asdict(report)))


def _hand_in(
    answer: Answering, courier: Courier, tenant_id: int, upload: Upload, options: Options, kind: ImportKind
) -> None:
    if not is_workbook(upload.file):
        with _as_malformed():
            service.check_table(upload.file, tenant_id, kind=kind, options=options)
    service.hand_in(
        courier, tenant_id, upload.file, kind=kind, file_name=upload.name, options=options,
        keep=lambda unit, made: answer(unit, msgspec.structs.asdict(shown(made))),
    )  # fmt: skip


@contextmanager
def _as_malformed() -> Iterator[None]:
    """Answer a file of which nothing can be read with 400, as the reference does."""
    try:
        yield
    except InvalidInput as problem:
        raise MalformedBody(*problem.problems) from problem


def _error_lines(courier: Courier, tenant_id: int, import_id: int) -> Iterator[bytes]:
    yield csv_lines([("line", "email", "reason")])
    after = 0
    while True:
        with courier.store.begin(tenant_id, write=False) as unit:
            found = unit.imports.errors(import_id, after=after)
        if not found:
            return
        yield csv_lines([(each.line, each.email, each.reason) for each in found])
        after = found[-1].line
