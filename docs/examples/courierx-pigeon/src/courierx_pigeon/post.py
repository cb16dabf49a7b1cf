"""One kept HTTP connection, made so that "not sent" and "not known" are never confused.

`Expect: 100-continue` (RFC 9110 section 10.1.1) is what makes the difference: until the far side asks for
the body, nothing was handed over, and whoever sent it may safely try again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection, parse_headers
from io import RawIOBase
from typing import NamedTuple, cast
from urllib.parse import urlsplit

KEPT_SECONDS = 20.0
"""A connection that was idle for longer may be half closed; a fresh one costs less than a doubt."""


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes


class Post:
    """Announce a body, then deliver it: each fails in its own way."""

    def __init__(self, url: str, seconds: float) -> None:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host = parts.netloc.rpartition("@")[2]
        self._connection = kind(parts.hostname or "", parts.port, timeout=seconds)
        self._used_at = time.monotonic()
        self._wire: RawIOBase | None = None
        self._refused: tuple[int, HTTPMessage] | None = None

    def announce(self, path: str, headers: Mapping[str, str], length: int) -> None:
        """Send a request's head and wait until its body is asked for, or refused.

        Raises OSError or HTTPException: nothing was handed over. A kept connection that turns out to be
        closed is opened again, once.
        """
        if time.monotonic() - self._used_at > KEPT_SECONDS:
            self.close()
        while True:
            kept = self._wire is not None
            try:
                return self._announce(path, headers, length)
            except (OSError, HTTPException):
                self.close()
                if not kept:
                    raise

    def deliver(self, body: bytes) -> Answer:
        """Send the body and read the answer. Raises OSError, HTTPException or ValueError: nobody knows."""
        status, headers = self._refused or self._handed_over(body)
        content = self._read(int(headers.get("Content-Length") or 0))
        self._used_at = time.monotonic()
        if headers.get("Connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, content)

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        self._connection.close()

    def _announce(self, path: str, headers: Mapping[str, str], length: int) -> None:
        if self._wire is None:
            self._connection.connect()
            # Unbuffered: not a byte more is read than was asked for.
            self._wire = cast(RawIOBase, self._connection.sock.makefile("rb", buffering=0))
        lines = {"Host": self._host, **headers, "Content-Length": str(length), "Expect": "100-continue"}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._connection.sock.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("ascii"))
        status, found = self._head()
        self._refused = None if status == 100 else (status, found)

    def _handed_over(self, body: bytes) -> tuple[int, HTTPMessage]:
        self._connection.sock.sendall(body)
        return self._head()

    def _head(self) -> tuple[int, HTTPMessage]:
        assert self._wire is not None
        line = self._wire.readline(1000)
        version, _, rest = line.partition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise HTTPException(f"no answer, but {len(line)} bytes")
        return int(rest[:3]), parse_headers(self._wire)

    def _read(self, length: int) -> bytes:
        assert self._wire is not None
        content = b""
        while len(content) < length:
            chunk = self._wire.read(length - len(content))
            if not chunk:
                raise HTTPException(f"{len(content)} of {length} bytes came")
            content += chunk
        return content
