"""One POST to a receiver that is not trusted: to a checked address, with an end to its time and size."""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from functools import cache
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from courierx_core.webhooks.target import LookUp, Network, addresses, look_up, port_of

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
"""From the look-up's end to the answer's: a receiver should answer first and work then."""
RESPONSE_MAX = 1024
"""Bytes of an answer's body that are read."""


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: str
    retry_after: float | None = None


class Reach(msgspec.Struct, frozen=True):
    """How receivers are reached: `networks` may be although they are private, without TLS too."""

    networks: Sequence[Network] = ()
    look: LookUp = look_up
    seconds: float = TOTAL_SECONDS


def post(url: str, headers: Mapping[str, str], body: bytes, reach: Reach) -> Answer:
    """POST once; no redirect is followed. Raises Refused for an address that may not be called, OSError or
    HTTPException for one that did not answer in time."""
    target = urlsplit(url)
    checked = addresses(target, reach.networks, reach.look)
    deadline = time.monotonic() + reach.seconds
    with _connected(target, checked, deadline) as connection:
        connection.settimeout(_left(deadline))
        connection.sendall(_request(target, headers, body))
        response = HTTPResponse(_Timed(connection, deadline), method="POST")  # type: ignore[arg-type]
        response.begin()
        return Answer(response.status, _body(response), _seconds(response.getheader("Retry-After", "")))


def _request(target: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    host = (target.hostname or "").encode("idna").decode("ascii")
    host = f"[{host}]" if ":" in host else host
    given = {
        "Host": f"{host}:{target.port}" if target.port else host,
        "User-Agent": "CourierX",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + body


def _connected(target: SplitResult, checked: Sequence[str], deadline: float) -> socket.socket:
    """Connect to the first of the addresses that answers."""
    last: OSError = OSError("the name has no address")
    for address in checked:
        try:
            made = socket.create_connection(
                (address, port_of(target)), timeout=min(CONNECT_SECONDS, _left(deadline))
            )
            break
        except OSError as problem:
            last = problem
    else:
        raise last
    if target.scheme != "https":
        return made
    try:
        made.settimeout(_left(deadline))
        return _tls().wrap_socket(made, server_hostname=(target.hostname or "").encode("idna").decode())
    except BaseException:
        made.close()
        raise


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


class _Timed(io.RawIOBase):
    """A socket's incoming side with one deadline for all of it: a byte now and then does not prolong it."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(_left(self._deadline))
        return self._connection.recv_into(buffer)


def _body(response: HTTPResponse) -> str:
    """Read the beginning of the body; the answer counts however that ends."""
    try:
        body = response.read1(RESPONSE_MAX)
    except (OSError, HTTPException):
        body = b""
    return body[:RESPONSE_MAX].decode("utf-8", "replace").replace("\0", "")


def _seconds(text: str) -> float | None:
    """Read Retry-After as seconds (RFC 9110 section 10.2.3); a date is not looked at."""
    return float(text) if text.strip().isdecimal() and len(text) < 10 else None
