"""Request ids: the client's own where it is well formed, else a fresh one; in every answer and log line."""

from __future__ import annotations

import re
import secrets
from collections.abc import MutableMapping
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from courierx_core.log_ids import IDS

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


def logs_name_the_request(app: ASGIApp) -> ASGIApp:
    """Middleware: what is logged while a request is answered carries its id."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        # Never taken back: exceptions are answered outside of middleware; a request has its own task.
        IDS.set({"request_id": request_id(scope)})
        await app(scope, receive, send)

    return named
