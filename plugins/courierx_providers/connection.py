"""A kept HTTP connection that never confuses "not sent" with "not known", because that decides between
deferred and uncertain: connecting is a step of its own, and nothing is ever sent twice."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import socket
from typing import Any
from urllib.parse import urlsplit

import msgspec

KEPT_SECONDS = 20.0
"""A connection that was idle for longer may be half closed; a fresh one costs less than a doubt."""
ANSWER_MAX = 64 * 1024
REPLY_MAX = 500
"""Characters of the provider's words that are kept."""


class NotSent(Exception):
    """No connection could be made: nothing of the request has left us."""


class Request(msgspec.Struct, frozen=True):
    """One POST, below the provider's address."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """What came back; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def words(self) -> str:
        return f"{self.status} {self.body.decode('utf-8', 'replace')[:REPLY_MAX]}"

    def told(self) -> Mapping[str, Any]:
        """Return the JSON object of the body; what is none is empty."""
        try:
            found = msgspec.json.decode(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Connection:
    """To one provider, for one thread at a time; opened when it is first needed."""

    def __init__(
        self, url: str, connect_seconds: float, answer_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=connect_seconds)
        self._base, self._host = parts.path.rstrip("/"), parts.netloc
        self._answer_seconds, self._monotonic = answer_seconds, monotonic
        self._used_at = 0.0

    def post(self, request: Request) -> Answer:
        """Make the request, once. Raises NotSent; OSError or HTTPException where nobody knows."""
        self._connect()
        try:
            headers = {"User-Agent": "CourierX", **request.headers}  # some refuse who has no name
            self._connection.request("POST", self._base + request.path, request.body, headers)
            response = self._connection.getresponse()
            body = response.read(ANSWER_MAX)
            if not response.isclosed() and response.read(1):  # the next answer would begin within this one
                self._connection.close()
        except (OSError, HTTPException):
            self._connection.close()
            raise
        self._used_at = self._monotonic()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, told, body)

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> None:
        kept: socket | None = self._connection.sock
        if kept is not None and (self._monotonic() - self._used_at > KEPT_SECONDS or _has_ended(kept)):
            self._connection.close()
        if self._connection.sock is not None:
            return
        try:
            self._connection.connect()
            assert self._connection.sock is not None
            self._connection.sock.settimeout(self._answer_seconds)
        except (OSError, HTTPException) as problem:
            self._connection.close()
            raise NotSent(f"{self._host}: {type(problem).__name__}: {problem}") from problem


def _has_ended(kept: socket) -> bool:
    """Tell whether the far side has closed an idle connection: then there is something to read."""
    with selectors.DefaultSelector() as selector:
        selector.register(kept, selectors.EVENT_READ)
        return bool(selector.select(0))
