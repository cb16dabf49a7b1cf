"""A client that costs little: requests as bytes, a few connections that stay open."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Sequence
from typing import TypeAlias

from tests.benchmarks.figures import Unbalanced

Address: TypeAlias = tuple[str, int]
PATIENCE = 60.0
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def request(method: str, path: str, key: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    if body:
        head += f"Content-Type: {kind}\r\nPrefer: respond-async\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def exchange(connection: socket.socket, asked: bytes) -> bytes:
    """Send one request and return its answer's body. Raises Unbalanced for an answer that is no success."""
    connection.sendall(asked)
    got = b""
    while (end := got.find(b"\r\n\r\n")) < 0 or len(got) < end + 4 + _length(got[:end]):
        more = connection.recv(1 << 16)
        if not more:
            raise Unbalanced(f"the connection ended after {got[:200]!r}")
        got += more
    if not got.startswith(b"HTTP/1.1 20"):
        raise Unbalanced(f"an answer is no success: {got[:300]!r}")
    return got[end + 4 :]


def _length(head: bytes) -> int:
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


def rate(address: Address, requests: Sequence[bytes], connections: int = 8) -> float:
    """Ask for everything over several connections; return answers a second."""
    failed: list[Exception] = []

    def ask(some: Sequence[bytes]) -> None:
        try:
            with socket.create_connection(address, timeout=PATIENCE) as connection:
                for each in some:
                    exchange(connection, each)
        except (OSError, Unbalanced) as problem:
            failed.append(problem)

    threads = [threading.Thread(target=ask, args=(requests[n::connections],)) for n in range(connections)]
    began = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failed:
        raise Unbalanced(f"{len(failed)} connections failed: {failed[0]}")
    return len(requests) / (time.perf_counter() - began)


def p99(address: Address, asked: bytes, count: int) -> float:
    """Ask one thing so often, one after another; return the milliseconds that 99 of 100 stay below."""
    took = []
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        for _ in range(count):
            began = time.perf_counter()
            exchange(connection, asked)
            took.append(time.perf_counter() - began)
    return sorted(took)[int(len(took) * 0.99)] * 1e3
