"""A span for each request, below the one that its `traceparent` names."""

from __future__ import annotations

from collections.abc import Callable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from courierx_app.api.request_id import request_id
from courierx_core.tracing import Tracing

_PROPAGATED = (b"traceparent", b"tracestate")


def traced(tracing: Tracing) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware: trace each request by its method and route."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            headers = {
                name.decode(): value.decode("latin-1")
                for name, value in scope["headers"]
                if name in _PROPAGATED
            }
            # an empty one tells a request from other work: both are as OpenTelemetry has it
            headers.setdefault("traceparent", "")
            name = f"{scope.get('method', '')} {scope['path_template']}"
            with tracing.span(name, headers, request_id=request_id(scope)) as note:

                async def noted(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        note("http.response.status_code", message["status"])
                    await send(message)

                await app(scope, receive, noted)

        return answered

    return middleware
