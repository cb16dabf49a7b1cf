"""/docs and /openapi.json: the API described, served without any outside host."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.response import Redirect

from courierx_app.api.problems import ProblemDetails
from courierx_app.api.scopes import PUBLIC

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
    """Return the OpenAPI document, with our own form of every refusal in place of the framework's."""
    document: dict[str, Any] = app.openapi_schema.to_schema()
    (found,), components = msgspec.json.schema_components(
        [ProblemDetails], ref_template="#/components/schemas/{name}"
    )
    document["components"]["schemas"].update(components)
    refusal = {
        "description": "A problem (RFC 9457)",
        "content": {"application/problem+json": {"schema": found}},
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            if isinstance(operation, dict):
                answers = operation["responses"]
                answers.pop("400", None)
                answers["4XX"] = refusal
    return document


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
