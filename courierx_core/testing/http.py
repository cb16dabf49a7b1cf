"""An HTTP peer that counts requests and accepts, defers, refuses, drops or hangs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, TypeAlias

import msgspec

HttpMode: TypeAlias = Literal["accept", "defer", "refuse", "drop_before", "drop_after", "hang"]
"""accept 200; defer 429 with Retry-After; refuse 400; drop_before closes without reading the request;
drop_after reads it, counts it and closes; hang reads it, counts it and never answers."""


class HttpCall(msgspec.Struct, frozen=True):
    """One request as it came; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class HttpAnswer(msgspec.Struct, frozen=True):
    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # the default of 5 loses connections when a session opens its own at once


class HttpPeer:
    """A server on a free loopback port, from `__enter__` to `__exit__`.

    `respond` decides the answer of a request while the mode is `accept`; the default is 200 with `{}`.
    """

    def __init__(self, respond: Callable[[HttpCall], HttpAnswer] | None = None) -> None:
        self.calls: list[HttpCall] = []
        """Every request that was read, in order."""
        self.mode: HttpMode = "accept"
        self._respond = respond or (lambda call: HttpAnswer(200))
        self._ended = threading.Event()
        self._server: HttpServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> HttpPeer:
        peer = self

        class Handler(_Handler):
            owner = peer

        self._server = HttpServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="http-peer", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def behave(self, mode: HttpMode) -> None:
        """Choose what the next requests meet."""
        self.mode = mode

    def attempts(self) -> int:
        """Count the requests that were read."""
        return len(self.calls)

    def answer(self, call: HttpCall) -> HttpAnswer | None:
        """Decide one request; None closes the connection without an answer."""
        self.calls.append(call)
        if self.mode == "defer":
            return HttpAnswer(429, b'{"error":"slow down"}', (("Retry-After", "1"),))
        if self.mode == "refuse":
            return HttpAnswer(400, b'{"error":"no"}')
        if self.mode == "hang":
            self._ended.wait()
            return None
        if self.mode == "drop_after":
            return None
        return self._respond(call)


class _Handler(BaseHTTPRequestHandler):
    owner: HttpPeer
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        if self.owner.mode == "drop_before":
            self._hang_up()
            return
        super().handle()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.owner.answer(HttpCall(self.command, self.path, headers, body))
        if answer is None:
            self._hang_up()
            return
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""
