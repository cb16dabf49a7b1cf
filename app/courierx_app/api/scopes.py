"""What each route asks of a key, written at the route: `@get("/", opt=needs("lists:read"))`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Litestar
from litestar.routes import HTTPRoute

from courierx_core.errors import PluginError
from courierx_core.scopes import SCOPES

PUBLIC: dict[str, Any] = {"public": True}
"""Needs no key."""
ANY_KEY: dict[str, Any] = {"any_key": True}
"""Needs a key, whatever it may do."""


def needs(scope: str) -> dict[str, Any]:
    """Return the `opt` of a route that takes a key with this scope. Raises ValueError for an unknown one."""
    if scope not in SCOPES:
        raise ValueError(f"{scope!r} is not one of: {', '.join(SCOPES)}")
    return {"scope": scope}


def scope_of(opt: Mapping[str, Any]) -> str:
    """Return the scope a route needs, '' where any key will do. Raises PluginError where it says nothing."""
    if opt.get("any_key"):
        return ""
    scope = opt.get("scope")
    if scope not in SCOPES:
        raise PluginError(
            f"A route declares the scope {scope!r}; it takes opt=needs(SCOPE), ANY_KEY or PUBLIC."
        )
    return str(scope)


def is_public(opt: Mapping[str, Any]) -> bool:
    return bool(opt.get("public"))


def check_scopes(app: Litestar) -> None:
    """Raise PluginError for the first route that does not say which key it needs."""
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if "OPTIONS" in handler.http_methods or is_public(handler.opt):
                continue
            try:
                scope_of(handler.opt)
            except PluginError as problem:
                raise PluginError(f"{min(handler.http_methods)} {route.path}: {problem}") from None
