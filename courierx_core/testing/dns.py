"""A small DNS server that answers, denies, fails or stays silent, name by name."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["CNAME", "MX", "TXT"]
Trouble: TypeAlias = Literal["servfail", "silent", "empty"]
"""servfail says so; silent never answers; empty says that the name has no such record (NODATA)."""

NUMBERS: dict[Kind, int] = {"CNAME": 5, "MX": 15, "TXT": 16}
UDP_BYTES = 512
LONGEST_CHAIN = 16
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


class DnsServer:
    """UDP and TCP on one free loopback port, from `__enter__` to `__exit__` (RFC 1035).

    It follows CNAMEs as a recursive resolver does, and cuts what is over 512 bytes, so that a client has to
    ask again over TCP.
    """

    def __init__(self) -> None:
        self.questions: list[tuple[str, int]] = []
        """Every question that was read, in order: the name in lower case, and the type's number."""
        self._records: dict[str, dict[Kind, list[bytes]]] = {}
        self._troubles: dict[str, Trouble] = {}
        self._port = 0
        self._servers: list[socketserver.BaseServer] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> DnsServer:
        owner = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                question, answering = self.request
                if reply := owner.answer(question, most=UDP_BYTES):
                    answering.sendto(reply, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                (length,) = struct.unpack("!H", self.rfile.read(2))
                if reply := owner.answer(self.rfile.read(length)):
                    self.wfile.write(struct.pack("!H", len(reply)) + reply)

        tcp, udp = _listeners()
        self._port = tcp.getsockname()[1]
        for server in (_Tcp(tcp, Stream), _Udp(udp, Datagram)):
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="dns", daemon=True)
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self._port}"

    def txt(self, name: str, *values: str | Sequence[bytes]) -> None:
        """Set the TXT records: a text is cut into pieces of 255 bytes, a sequence gives them."""
        self._set(name, "TXT", [_txt(value) for value in values])

    def mx(self, name: str, *exchanges: tuple[int, str]) -> None:
        """Set the mail exchangers: preference and host."""
        self._set(name, "MX", [struct.pack("!H", rank) + encode(host) for rank, host in exchanges])

    def cname(self, name: str, target: str) -> None:
        """Make the name an alias."""
        self._set(name, "CNAME", [encode(target)])

    def trouble(self, name: str, trouble: Trouble) -> None:
        """Let a name fail from now on."""
        self._troubles[name.lower()] = trouble

    def forget(self, name: str) -> None:
        """Drop what a name has, and its trouble."""
        self._records.pop(name.lower(), None)
        self._troubles.pop(name.lower(), None)

    def answer(self, question: bytes, *, most: int = 0xFFFF) -> bytes | None:
        """Answer one message of at most so many bytes; None says nothing."""
        name, end = _decode(question, 12)
        (number,) = struct.unpack_from("!H", question, end)
        self.questions.append((name, number))
        trouble = self._troubles.get(name)
        if trouble == "silent":
            return None
        code, answers = (SERVFAIL, []) if trouble == "servfail" else self._resolve(name, number)
        asked = question[12 : end + 4]
        body = b"".join(answers)
        cut = 12 + len(asked) + len(body) > most
        flags = 0x8180 | (0x0200 if cut else 0) | code
        count = 0 if cut else len(answers)
        head = question[:2] + struct.pack("!5H", flags, 1, count, 0, 0)
        return head + asked + (b"" if cut else body)

    def _resolve(self, name: str, number: int) -> tuple[int, list[bytes]]:
        answers: list[bytes] = []
        for _ in range(LONGEST_CHAIN):
            records = self._records.get(name)
            if records is None:
                return (NOERROR if self._troubles.get(name) == "empty" else NXDOMAIN), answers
            for kind, found in records.items():
                if NUMBERS[kind] == number:
                    return NOERROR, [*answers, *(_record(name, number, data) for data in found)]
            if "CNAME" not in records:
                break
            (target,) = records["CNAME"]
            answers.append(_record(name, NUMBERS["CNAME"], target))
            name, _end = _decode(target, 0)
        return NOERROR, answers

    def _set(self, name: str, kind: Kind, data: list[bytes]) -> None:
        self._records.setdefault(name.lower(), {})[kind] = data


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(listening.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.socket.listen()


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True

    def __init__(self, bound: socket.socket, handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(bound.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound


def _listeners() -> tuple[socket.socket, socket.socket]:
    """Bind one port for both protocols: a free one of TCP may be taken in UDP."""
    while True:
        tcp, udp = socket.socket(type=socket.SOCK_STREAM), socket.socket(type=socket.SOCK_DGRAM)
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            continue
        return tcp, udp


def encode(name: str) -> bytes:
    """Write a name as labels, uncompressed."""
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _decode(message: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    return ".".join(labels), at + 1


def _txt(value: str | Sequence[bytes]) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        value = [raw[at : at + 255] for at in range(0, len(raw), 255)] or [b""]
    return b"".join(bytes([len(piece)]) + piece for piece in value)


def _record(name: str, number: int, data: bytes) -> bytes:
    return encode(name) + struct.pack("!HHIH", number, 1, 60, len(data)) + data
