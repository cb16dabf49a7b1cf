"""How many requests this process answered, how, and how long that took."""

from __future__ import annotations

import threading
from time import perf_counter

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from courierx_core.metrics.model import Distribution, Samples

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""The method, or the route, of what has none of ours: a client makes no label."""


class Measured:
    """Seconds of requests by method, route and class of status, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[tuple[str, ...], Distribution] = {}

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method if method in METHODS else OTHER, route or OTHER, f"{status // 100}xx")
        with self._lock:
            self._taken.setdefault(key, Distribution()).add(seconds)

    def samples(self) -> Samples:
        with self._lock:
            return {key: each.copy() for key, each in self._taken.items()}

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application with each request measured, to the last byte of its answer.

        Outermost, for errors are answered outside of middleware.
        """

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            began, status = perf_counter(), 500

            async def noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noted)
            finally:
                route = scope.get("path_template", "")
                self.note(scope["method"], route, status, perf_counter() - began)

        return measured
