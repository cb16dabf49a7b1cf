"""Lists: a bare array, newest first, and where the next page begins."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeAlias, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from courierx_core.errors import InvalidInput

ID_MAX = (1 << 63) - 1
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000, description="How many at most.")]
Cursor: TypeAlias = NamedDependency[SkipValidation[int | None]]
"""The id that a page's rows are below; `provide_cursor` reads it."""
GivenCursor: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        description="Continue where a page ended: its X-Next-Cursor. Good for the same list with the same "
        "filters only; `limit` may be another.",
    ),
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
_FORM = re.compile(r"([1-9][0-9]{0,18})-([0-9a-f]{8})", re.ASCII)
_NOT_OURS = "is none that a page gave: take X-Next-Cursor of the page before, or its Link"
_NOT_HERE = "is of another list or of other filters: ask for the first page of these"


def page(request: Request[Any, Any, Any], rows: Sequence[R], limit: int) -> Response[Sequence[R]]:
    """Answer a page; a full one says where the next begins, in `Link` and `X-Next-Cursor`."""
    if len(rows) < limit:
        return Response(rows)
    cursor = f"{rows[-1].id}-{_tag(request)}"
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    query = urlencode([*kept, ("cursor", cursor)])
    link = f'<{request.url.path}?{query}>; rel="next"'
    return Response(rows, headers={"Link": link, "X-Next-Cursor": cursor})


def provide_cursor(request: Request[Any, Any, Any], given_cursor: GivenCursor = None) -> int | None:
    """Raises InvalidCursor for one that no page gave, or a page of something else."""
    if given_cursor is None:
        return None
    found = _FORM.fullmatch(given_cursor)
    if found is None or int(found[1]) > ID_MAX:
        raise InvalidCursor.of("cursor", "invalid", _NOT_OURS)
    if found[2] != _tag(request):
        raise InvalidCursor.of("cursor", "mismatch", _NOT_HERE)
    return int(found[1])


def _tag(request: Request[Any, Any, Any]) -> str:
    """Return what a list and its filters are known by. It guards against mistakes, not against anyone: who
    makes a cursor up reads on in rows they may read anyway."""
    given = request.query_params.multi_items()
    filters = sorted((name, value) for name, value in given if name not in ("cursor", "limit"))
    asked = f"{request.url.path}?{urlencode(filters)}"
    return hashlib.blake2s(asked.encode(), digest_size=4).hexdigest()


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
