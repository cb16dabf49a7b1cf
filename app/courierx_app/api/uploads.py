"""A file in a request: the body itself, a form's part, or a text in JSON; on disk past a megabyte."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, BinaryIO, TypeVar, cast, get_origin

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from courierx_app.api.body import MalformedBody, read_any, read_object, refuse_nul
from courierx_core.errors import InvalidInput

UPLOAD_MAX_BYTES = 1 << 30
JSON_MAX_BYTES = 10_000_000
_IN_MEMORY = 1 << 20
_PARTS_MAX = 20
_FIELD_MAX = 64 * 1024
FILES = ("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")

T = TypeVar("T", bound=msgspec.Struct)


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file at its beginning, and what else the form or the object gave."""

    file: BinaryIO
    size: int
    name: str = ""
    fields: Mapping[str, object] = {}

    def digest(self) -> str:
        """Return what tells the file from any other."""
        found = hashlib.sha256()
        while piece := self.file.read(_IN_MEMORY):
            found.update(piece)
        self.file.seek(0)
        return found.hexdigest()

    def asked(self, kind: type[T], query: Mapping[str, object]) -> T:
        """Read the request's fields, the query's where the body has none; an object may be written as JSON.
        Raises InvalidInput."""
        given = {**query, **self.fields}
        for field in msgspec.structs.fields(kind):
            text = given.get(field.name)
            if get_origin(field.type) is dict and isinstance(text, str):
                with suppress(msgspec.DecodeError):  # what is none is told as a wrong field
                    given[field.name] = msgspec.json.decode(text)
        return read_object(kind, given, texts=True)


class UploadOperation(Operation):
    """Describes the three forms in the OpenAPI document."""

    def __post_init__(self) -> None:
        file = Schema(description="The file; everything else in the query")
        self.request_body = RequestBody(
            content={
                "application/json": OpenAPIMediaType(schema=Schema(description="csv_text, and the fields")),
                **{kind: OpenAPIMediaType(schema=file) for kind in FILES},
                "multipart/form-data": OpenAPIMediaType(schema=Schema(description="file, and the fields")),
            }
        )


@asynccontextmanager
async def uploaded(request: Request[Any, Any, Any]) -> AsyncIterator[Upload]:
    """Receive a request's file. Raises MalformedBody, and HTTPException for what takes no such body."""
    kind, options = request.content_type
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spooled:
        file = cast("BinaryIO", spooled)
        if kind == "multipart/form-data":
            upload = await _form(request, options.get("boundary", ""), file)
        elif kind in FILES:
            async for chunk in request.stream():
                file.write(chunk)
            upload = Upload(file=file, size=file.tell())
        else:
            upload = await _json(request, file)
        file.seek(0)
        yield upload


async def _json(request: Request[Any, Any, Any], file: BinaryIO) -> Upload:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > JSON_MAX_BYTES:
            raise HTTPException(
                status_code=413,
                detail=f"JSON takes at most {JSON_MAX_BYTES:,} bytes; send the file itself as text/csv.",
            )
    fields = read_any(bytes(body))
    text = fields.pop("csv_text", None)
    if not isinstance(text, str):
        raise InvalidInput.of("csv_text", "required", "is missing, or is no text")
    file.write(text.encode("utf-8", "surrogatepass"))
    return Upload(file=file, size=file.tell(), fields=fields)


async def _form(request: Request[Any, Any, Any], boundary: str, file: BinaryIO) -> Upload:
    """Read a form as it comes: one file, and fields too short to fill memory."""
    fields = dict[str, bytearray]()
    part: MultipartSegment | None = None
    name: str | None = None
    try:
        with PushMultipartParser(boundary, max_segment_count=_PARTS_MAX) as parser:
            async for chunk in request.stream():
                for found in parser.parse(chunk):
                    if isinstance(found, MultipartSegment):
                        part = found
                        if part.filename is not None:
                            if name is not None:
                                raise MalformedBody.of("file", "duplicate", "The form holds two files.")
                            name = part.filename
                        else:
                            fields[part.name] = bytearray()
                    elif found and part is not None:
                        _write(part, bytes(found), file, fields)
    except MultipartError as problem:
        raise MalformedBody.of("", "malformed", f"The form cannot be read: {problem}") from None
    if name is None:
        raise MalformedBody.of("file", "required", "The form holds no file.")
    texts = {field: value.decode("utf-8", "replace") for field, value in fields.items()}
    refuse_nul(texts)
    return Upload(file=file, size=file.tell(), name=name, fields=texts)


def _write(part: MultipartSegment, data: bytes, file: BinaryIO, fields: Mapping[str, bytearray]) -> None:
    if part.filename is not None:
        file.write(data)
        return
    fields[part.name].extend(data)
    if len(fields[part.name]) > _FIELD_MAX:
        raise MalformedBody.of(part.name, "too_long", f"takes at most {_FIELD_MAX:,} bytes")
