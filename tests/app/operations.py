"""Every operation of the application, read off its routes: what the sweeping tests walk over."""

from __future__ import annotations

import re
from typing import NamedTuple

from litestar import Litestar
from litestar.routes import HTTPRoute

from courierx_app.api.scopes import is_public, scope_of

NOBODYS = "4611686018427387904"
"""An id that nothing has."""


class Operation(NamedTuple):
    """`path` is as the OpenAPI document writes it; `scope` is '' where any key will do."""

    method: str
    path: str
    public: bool
    scope: str
    described: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def at(self, object_id: int | str = NOBODYS) -> str:
        """Return a path with this in every slot."""
        return re.sub(r"{[^}]*}", str(object_id), self.path)


def operations_of(app: Litestar) -> list[Operation]:
    """List them, without the OPTIONS that the framework adds."""
    found = set()
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            public = is_public(handler.opt)
            for method in handler.http_methods - {"OPTIONS"}:
                path = re.sub(r":[a-z]+}", "}", route.path)
                scope = "" if public else scope_of(handler.opt)
                found.add(Operation(str(method), path, public, scope, bool(handler.include_in_schema)))
    return sorted(found)
