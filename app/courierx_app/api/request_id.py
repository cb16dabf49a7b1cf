"""Request ids: the client's own where it is well formed, else a fresh one; in every answer."""

from __future__ import annotations

import re
import secrets
from collections.abc import MutableMapping
from typing import Any

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

HEADER = "X-Request-ID"
_KEY = "courierx_request_id"
_FORM = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


def request_id(scope: Any) -> str:
    """Return the request's id, made at the first call."""
    state: MutableMapping[str, Any] = scope.setdefault("state", {})
    if _KEY not in state:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        state[_KEY] = given.decode() if _FORM.fullmatch(given) else secrets.token_hex(12)
    return str(state[_KEY])


async def add_request_id(message: Message, scope: Scope) -> None:
    """Add the header to an answer as it begins."""
    if message["type"] == "http.response.start":
        MutableScopeHeaders(message)[HEADER] = request_id(scope)
