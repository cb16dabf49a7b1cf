"""The HTTP API of a site, served in a thread, and a client that any number of threads may use."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import uvicorn

from courierx_app.asgi import create_app
from courierx_app.container import build
from courierx_app.settings import read
from tests.faults.site import Site, wait_for

T = TypeVar("T")
ANSWER_SECONDS = 90.0


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: Any


Ask = Callable[..., Answer]


@contextmanager
def serving(site: Site) -> Iterator[Ask]:
    """Serve the API as `courierx serve --dev` does; yield `ask(method, path, body, **headers)`."""
    configuration = read(site.folder, site.environ)
    app = create_app(build(configuration), configuration.settings, dev=True)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listener],), name="api")
        thread.start()
        try:
            wait_for("the API", lambda: server.started)
            yield lambda *request, **headers: _ask(port, *request, **headers)
        finally:
            server.should_exit = True
            thread.join(ANSWER_SECONDS)


def _ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json", **named})
        answer = connection.getresponse()
        text = answer.read()
        return Answer(answer.status, dict(answer.getheaders()), json.loads(text) if text else None)
    finally:
        connection.close()


def at_once(count: int, act: Callable[[int], T]) -> list[T]:
    """Do `act(0)` ... `act(count - 1)` in as many threads, which all begin at the same moment."""
    gate = threading.Barrier(count)

    def run(number: int) -> T:
        gate.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
