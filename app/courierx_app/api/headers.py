"""Headers of every answer: its request's id, and what a browser must not do with it."""

from __future__ import annotations

from collections.abc import Mapping

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import Message, Scope

from courierx_app.api.request_id import HEADER, request_id

SECURITY: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""What an answer gets unless its route says otherwise: a page brings a policy of its own."""
HTTPS: tuple[tuple[bytes, bytes], ...] = ((b"strict-transport-security", b"max-age=31536000"),)
"""Where COURIERX_PUBLIC_URL is https: a year, which browsers obey only when they came over https."""


def _allowed(scope: Scope) -> tuple[bytes, bytes]:
    """Return the Allow of a path: the framework's own counts the first of a path's routes only."""
    methods: frozenset[str] = scope["litestar_app"].state.methods[scope["path_template"]]
    return b"allow", ", ".join(sorted(methods)).encode()


def methods_of(app: Litestar) -> Mapping[str, frozenset[str]]:
    """Return what may be asked of each path."""
    found: dict[str, frozenset[str]] = {}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            found[route.path_format] = found.get(route.path_format, frozenset()) | route.methods
    return found


async def add_headers(message: Message, scope: Scope) -> None:
    """Add them to an answer as it begins."""
    if message["type"] != "http.response.start":
        return
    given = list(message["headers"])
    if scope.get("method") == "OPTIONS":
        given = [_allowed(scope) if name.lower() == b"allow" else (name, value) for name, value in given]
    names = {name.lower() for name, _ in given}
    wanted = SECURITY + HTTPS if scope["litestar_app"].state.https else SECURITY
    given += [pair for pair in wanted if pair[0] not in names]
    given.append((HEADER.lower().encode(), request_id(scope).encode()))
    message["headers"] = given
