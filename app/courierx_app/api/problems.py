"""Errors as problem details (RFC 9457): what was wrong, every bad field, the request's id."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from courierx_app.api.body import MalformedBody
from courierx_app.api.paging import InvalidCursor
from courierx_app.api.request_id import request_id
from courierx_core.errors import (
    Changed,
    Conflict,
    CourierXError,
    Fenced,
    FieldProblem,
    Forbidden,
    InvalidInput,
    NotFound,
    RenderError,
    StoreError,
    TooManyRequests,
)
from courierx_core.hooks import HookFailed

log = logging.getLogger("courierx_app.api")

STATUS: Mapping[type[CourierXError], int] = {
    InvalidCursor: 400,
    MalformedBody: 400,
    InvalidInput: 422,
    RenderError: 422,
    NotFound: 404,
    Conflict: 409,
    Changed: 412,
    Fenced: 409,
    Forbidden: 403,
    TooManyRequests: 429,
    HookFailed: 502,
    StoreError: 503,
}
"""The most specific class decides; any other error of ours is a 500."""

CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "too_many_requests",
    500: "internal_error",
    503: "store_unavailable",
}
RETRY_AFTER_SECONDS = 5


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer from 400 on."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: Sequence[FieldProblem] = ()


def courierx_problem(request: Request[Any, Any, Any], error: CourierXError) -> Response[ProblemDetails]:
    """Answer an error that was raised on purpose."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    if status >= 500:
        log.error("%s: %s", _route(request), error)
    detail = str(error) if status < 500 or isinstance(error, StoreError) else "Something went wrong here."
    errors = fields_of(error)
    if isinstance(error, InvalidInput):
        detail = _detail(errors)
    return _answer(request, status, error.code, detail, errors, _retry_after(status, error))


def _retry_after(status: int, error: CourierXError) -> Mapping[str, str]:
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    again = status == 503 or error.code == "idempotency_in_work"
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if again else {}


def fields_of(error: CourierXError) -> Sequence[FieldProblem]:
    """Return the fields an error is about."""
    if isinstance(error, InvalidInput):
        return error.problems
    if isinstance(error, RenderError):
        return [FieldProblem(error.part or "template", error.code, error.reason)]
    return ()


def http_problem(request: Request[Any, Any, Any], error: HTTPException) -> Response[ProblemDetails]:
    """Answer what the framework refused: no route, a wrong method, a bad query parameter."""
    status, detail = error.status_code, error.detail
    errors: Sequence[FieldProblem] = ()
    if isinstance(error, ValidationException) and _has_no_body(error):
        return courierx_problem(request, MalformedBody.of("", "required", "The body is missing."))
    if isinstance(error, ValidationException):
        status, errors = 422, _query_problems(error.extra)
        detail = _detail(errors) if errors else detail
    if status >= 500:
        detail = "Something went wrong here."
    title_path = detail if status != 404 else f"There is nothing at {request.url.path}."
    return _answer(request, status, _code(status), title_path, errors, dict(error.headers or {}))


def unexpected_problem(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDetails]:
    """Answer a bug: logged in full, told as little."""
    which = {"request_id": request_id(request.scope)}
    log.exception("%s failed", _route(request), exc_info=error, extra=which)
    return _answer(request, 500, "internal_error", "Something went wrong here.", (), {})


def _route(request: Request[Any, Any, Any]) -> str:
    """Name a request in the log by its route: a path may hold an address, or the token of a link."""
    return f"{request.method} {request.scope.get('path_template') or request.url.path}"


def _answer(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    detail: str,
    errors: Sequence[FieldProblem],
    headers: Mapping[str, str],
) -> Response[ProblemDetails]:
    word = code.replace("_", "-")
    body = ProblemDetails(
        type=f"/problems/{word}",
        title=HTTPStatus(status).phrase if code == CODES.get(status) else code.replace("_", " ").capitalize(),
        status=status,
        code=code,
        detail=detail,
        request_id=request_id(request.scope),
        errors=errors,
    )
    return Response(body, status_code=status, media_type="application/problem+json", headers=dict(headers))


def _code(status: int) -> str:
    return CODES.get(status, "bad_request" if status < 500 else "internal_error")


def _detail(errors: Sequence[FieldProblem]) -> str:
    if len(errors) == 1:
        (only,) = errors
        return f"{only.field}: {only.message}" if only.field else only.message
    return f"{len(errors)} fields are wrong."


def _has_no_body(error: ValidationException) -> bool:
    extra = error.extra if isinstance(error.extra, list) else []
    return any(isinstance(each, dict) and each.get("key") == "data" for each in extra)


def _query_problems(extra: object) -> list[FieldProblem]:
    if not isinstance(extra, list):
        return []
    return [
        FieldProblem(str(each.get("key", "")), "invalid", str(each.get("message", "is wrong")))
        for each in extra
        if isinstance(each, dict)
    ]
