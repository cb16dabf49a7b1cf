"""Lists: a bare array, newest first, and where the next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeAlias, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.params import QueryParameter

from courierx_core.errors import InvalidInput

ID_MAX = (1 << 63) - 1
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000, description="How many at most.")]
Cursor: TypeAlias = Annotated[
    int | None,
    QueryParameter(ge=1, le=ID_MAX, description="Continue below this: X-Next-Cursor of the page before."),
]


Since: TypeAlias = Annotated[
    str | None,
    QueryParameter(description="From this time on.", schema_extra={"format": "date-time"}),
]
"""A text, for a number would be read as seconds since 1970; see `moment`."""


class InvalidCursor(InvalidInput):
    """The cursor is none that a page gave."""

    code = "invalid_cursor"


class _Row(Protocol):
    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=_Row)


def page(request: Request[Any, Any, Any], rows: Sequence[R], limit: int) -> Response[Sequence[R]]:
    """Answer a page; a full one says where the next begins, in `Link` and `X-Next-Cursor`."""
    if len(rows) < limit:
        return Response(rows)
    cursor = str(rows[-1].id)
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    query = urlencode([*kept, ("cursor", cursor)])
    link = f'<{request.url.path}?{query}>; rel="next"'
    return Response(rows, headers={"Link": link, "X-Next-Cursor": cursor})


def moment(field: str, text: str | None) -> datetime | None:
    """Read a time that names its moment (RFC 3339). Raises InvalidInput for anything else."""
    if text is None:
        return None
    with suppress(msgspec.ValidationError):
        at = msgspec.convert(text, datetime)
        if at.tzinfo is not None:
            return at
    raise InvalidInput.of(field, "invalid", "takes a time with its offset, such as 2026-01-31T12:00:00Z")


def searchable(text: str) -> str:
    """Return a text to look for without space around it. Raises InvalidInput for a NUL, which no stored
    text holds and PostgreSQL refuses."""
    if "\0" in text:
        raise InvalidInput.of("q", "invalid", "must not hold a NUL character")
    return text.strip()
