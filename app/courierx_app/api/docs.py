"""/docs and /openapi.json: the API described, served without any outside host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.response import Redirect
from litestar.routes import HTTPRoute

from courierx_app.api.examples import example, problem_example, request_example
from courierx_app.api.problems import ProblemDetails
from courierx_app.api.scopes import PUBLIC, is_public

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_PAGES = files("courierx_app.api") / "pages"


@get("/openapi.json", include_in_schema=False, opt=PUBLIC, sync_to_thread=False)
def openapi(request: Request[Any, Any, Any]) -> Response[Any]:
    return Response(described(request.app), media_type=MediaType.JSON)


def described(app: Litestar) -> dict[str, Any]:
    """Return the OpenAPI document, with our own form of every refusal in place of the framework's, and an
    example of everything."""
    document: dict[str, Any] = app.openapi_schema.to_schema()
    (found,), components = msgspec.json.schema_components(
        [ProblemDetails], ref_template="#/components/schemas/{name}"
    )
    schemas = document["components"]["schemas"]
    schemas.update(components)
    public = _public(app)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, dict):
                open_to_all = f"{method.upper()} {path}" in public
                if open_to_all:
                    operation["security"] = []
                _close(operation.get("requestBody"), schemas)
                answers = operation["responses"]
                answers.pop("400", None)
                _add_examples(operation, schemas)
                for status in _refusals(method, operation, open_to_all):
                    answers[str(status)] = _refusal(found, status)
                answers["4XX"] = _refusal(found, None)
    return document


def _close(body: dict[str, Any] | None, schemas: Mapping[str, Any]) -> None:
    """Say of a request's body what is true of every one: a field that is not there is refused, and null says
    that nothing is given where a field may be left out. So may a body that may be null."""
    for content in (body or {}).get("content", {}).values():
        schema = content.get("schema", {})
        if null := [each for each in schema.get("oneOf", ()) if each.get("type") == "null"]:
            rest = [each for each in schema["oneOf"] if each not in null]
            content["schema"] = schema = rest[0]
            if body is not None:
                body["required"] = False
        _close_schema(schema, schemas)


def _close_schema(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
    for inner in (*schema.get("oneOf", ()), *filter(None, [schema.get("items")])):
        _close_schema(inner, schemas)
    found = schemas.get(str(schema.get("$ref", "")).rpartition("/")[2])
    if found is None or "additionalProperties" in found or "properties" not in found:
        return
    found["additionalProperties"] = False
    for name, each in found["properties"].items():
        _close_schema(each, schemas)
        if name not in found.get("required", ()) and {"type": "null"} not in each.get("oneOf", ()):
            found["properties"][name] = {"oneOf": [each, {"type": "null"}]}


def _add_examples(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["example"] = request_example(content.get("schema", {}), schemas)
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            content["example"] = example(content.get("schema", {}), schemas)


def _refusals(method: str, operation: Mapping[str, Any], open_to_all: bool) -> list[int]:
    """Return the statuses that an operation may refuse with, for what it takes."""
    takes = operation.get("parameters", ())
    found = set[int]() if open_to_all else {401, 403, 429, 503}
    if any(each["in"] == "path" or each["name"] == "tenant_id" for each in takes):
        found.add(404)
    if takes:
        found.add(422)
    if "requestBody" in operation:
        found |= {400, 404, 413, 422}
    if method in ("post", "patch", "delete") and not open_to_all:
        found.add(409)
    if any(each["name"] == "If-Match" for each in takes):
        found.add(412)
    return sorted(found)


def _refusal(schema: Any, status: int | None) -> dict[str, Any]:
    what = HTTPStatus(status).phrase if status else "Any other refusal"
    content: dict[str, Any] = {"schema": schema, "example": problem_example(status or 422)}
    return {"description": f"{what}: a problem (RFC 9457)", "content": {"application/problem+json": content}}


def _public(app: Litestar) -> frozenset[str]:
    """Return what needs no key, as the document writes it."""
    return frozenset(
        f"{method} {re.sub(r':[a-z]+}', '}', route.path)}"
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if is_public(handler.opt)
        for method in handler.http_methods
    )


@get("/docs", include_in_schema=False, opt=PUBLIC, media_type=MediaType.HTML, sync_to_thread=False)
def page() -> Response[str]:
    return Response((_PAGES / "docs.html").read_text("utf-8"), headers=_HEADERS)


@get("/docs/docs.css", include_in_schema=False, opt=PUBLIC, sync_to_thread=False)
def style() -> Response[str]:
    return Response((_PAGES / "docs.css").read_text("utf-8"), media_type="text/css", headers=_HEADERS)


@get("/docs/docs.js", include_in_schema=False, opt=PUBLIC, sync_to_thread=False)
def script() -> Response[str]:
    return Response((_PAGES / "docs.js").read_text("utf-8"), media_type="text/javascript", headers=_HEADERS)


@get("/redoc", include_in_schema=False, opt=PUBLIC, sync_to_thread=False)
def redoc() -> Redirect:
    return Redirect("/docs")


ROUTES = [openapi, page, style, script, redoc]
