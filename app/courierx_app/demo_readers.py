"""Readers of the demonstration: they open, click and unsubscribe by the links in the mail that arrived.

What they reach is the real web server, in a thread, on a courier of its own as another process would have.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Sequence
from email import message_from_bytes, policy
from http.client import HTTPConnection
from types import TracebackType
from urllib.parse import urlsplit

import msgspec
import uvicorn

from courierx_app.asgi import serve
from courierx_app.container import build
from courierx_app.settings import Configuration
from courierx_core.testing.spool import ReceivedMessage

READERS_MAX = 500
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SCANNER = "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"
_LINK = re.compile(r'href="(http[^"]+/c/[^"]+)"')
_DOT = re.compile(r'src="(http[^"]+/o/[^"]+)"')


class Readings(msgspec.Struct, frozen=True):
    """How many people opened, clicked and unsubscribed; what scanners fetched is not among them."""

    opened: int = 0
    clicked: int = 0
    unsubscribed: int = 0


class Website:
    """The web server on a listening socket, for the length of a `with` block; leaving it writes every hit."""

    def __init__(self, configuration: Configuration, listener: socket.socket) -> None:
        app = serve(build(configuration), configuration.settings)
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="courierx-website")

    def __enter__(self) -> Website:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()


def read_mail(url: str, received: Sequence[ReceivedMessage]) -> Readings:
    """Read some of the mail: every reader opens it, every second clicks, every twentieth has had enough;
    for every tenth a scanner was there first."""
    opened = clicked = unsubscribed = 0
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        for number, mail in enumerate(received[:: max(1, len(received) // READERS_MAX)]):
            message = message_from_bytes(mail.content, policy=policy.default)
            part = message.get_body(("html",))
            html = str(part.get_content()) if part else ""
            dot, link = _DOT.search(html), _LINK.search(html)
            if dot and number % 10 == 9:
                _ask(connection, "GET", dot[1], SCANNER)
            if dot:
                opened += _ask(connection, "GET", dot[1]) == 200
            if link and number % 2 == 0:
                clicked += _ask(connection, "GET", link[1]) == 302
            if number % 20 == 0:
                way_out = str(message["list-unsubscribe"]).partition("<")[2].partition(">")[0]
                unsubscribed += _ask(connection, "POST", way_out) == 200
    finally:
        connection.close()
    return Readings(opened, clicked, unsubscribed)


def _ask(connection: HTTPConnection, method: str, url: str, agent: str = BROWSER) -> int:
    connection.request(method, urlsplit(url).path, headers={"User-Agent": agent, "Content-Length": "0"})
    answer = connection.getresponse()
    answer.read()
    return answer.status
