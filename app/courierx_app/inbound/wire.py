"""One SMTP client's octets: lines, bodies and replies, within limits of size and time."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time

import msgspec

READ_BYTES = 64 << 10
LINE_MAX = 2048
"""Octets of a command, four times what RFC 5321 section 4.5.3.1.4 asks for: VERP paths and parameters."""

_END = b"\r\n.\r\n"


class Gone(Exception):
    """The client has closed the connection, or said nothing for too long."""


class BadLine(Exception):
    """A command that is too long, or does not end with CR LF."""


class Body(msgspec.Struct, frozen=True):
    """A mail: the first octets of it, dots unstuffed, and how long all of it is."""

    first: bytes
    size: int


class Wire:
    """Reads and writes for one conversation. `idle` seconds may pass between two reads, `life` in all."""

    def __init__(self, sock: socket.socket, *, idle: float, life: float) -> None:
        self._sock = sock
        self._idle = idle
        self._ends = time.monotonic() + life
        self._in = b""
        self._out: list[bytes] = []

    def say(self, *lines: str) -> None:
        """Put a reply of one or more lines in the queue; it goes out before the next read."""
        self._out += [f"{line}\r\n".encode("utf-8", "replace") for line in lines]

    def flush(self) -> None:
        """Write what is queued. Raises Gone."""
        out, self._out = b"".join(self._out), []
        if not out:
            return
        try:
            self._sock.settimeout(self._wait())
            self._sock.sendall(out)
        except OSError as problem:
            raise Gone from problem

    def line(self) -> str:
        """Read a command. Raises Gone, BadLine."""
        while (end := self._in.find(b"\n")) < 0:
            if len(self._in) > LINE_MAX:
                self._in = b""
                raise BadLine
            self._in += self._read()
        line, self._in = self._in[: end + 1], self._in[end + 1 :]
        if end >= LINE_MAX or not line.endswith(b"\r\n") or b"\0" in line:
            raise BadLine
        return line[:-2].decode("utf-8", "replace")

    def body(self, *, keep: int, longest: int) -> Body:
        """Read up to the line with one dot, and only CR LF . CR LF is one. Raises Gone, for a mail longer
        than `longest` too."""
        kept, size, rest = bytearray(), 0, b"\r\n"  # DATA's own line end: a first line may be the dot
        while True:
            rest += self._in or self._read()
            self._in = b""
            end = rest.find(_END)
            piece = rest[: end + 2] if end >= 0 else rest[: 1 - len(_END)]
            kept += piece[: max(0, keep + 2 - len(kept))]
            size += len(piece)
            if size > longest:
                raise Gone
            if end >= 0:
                self._in = rest[end + len(_END) :]
                return Body(bytes(kept).replace(b"\r\n..", b"\r\n.")[2:], size - 2)
            rest = rest[len(piece) :]

    def secure(self, context: ssl.SSLContext) -> None:
        """Begin TLS; what came in plain before it is forgotten (CVE-2011-0411). Raises Gone."""
        self._in = b""
        try:
            self._sock.settimeout(self._wait())
            self._sock = context.wrap_socket(self._sock, server_side=True)
        except OSError as problem:
            raise Gone from problem

    def hang_up(self) -> None:
        """From any thread: nothing more will be read; what is under way may still be answered."""
        with contextlib.suppress(OSError):
            # not SSLSocket's own, which would go on in plain text
            socket.socket.shutdown(self._sock, socket.SHUT_RD)

    def close(self) -> None:
        self._sock.close()

    def _read(self) -> bytes:
        self.flush()
        try:
            self._sock.settimeout(self._wait())
            data = self._sock.recv(READ_BYTES)
        except OSError as problem:
            raise Gone from problem
        if not data:
            raise Gone
        return data

    def _wait(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise Gone
        return min(self._idle, left)
