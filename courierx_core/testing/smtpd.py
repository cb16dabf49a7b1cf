"""A small, fast, scripted ESMTP server: one thread, one selector, any number of connections.

Use it through `courierx_core.testing.SmtpServer`. What it says is in `dialogue`.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import ssl
import time
from pathlib import Path

from courierx_core.testing.dialogue import Dialogue, Hangup, Peer, ServerOptions, StartTls
from courierx_core.testing.script import Script
from courierx_core.testing.spool import Spool

_READ = 262_144


class Smtpd:
    """The loop. `serve` blocks until `stop`; everything but `stop` belongs to the thread that serves."""

    def __init__(
        self,
        listener: socket.socket,
        spool: Spool,
        options: ServerOptions,
        script: Script | None = None,
        transcript: Path | None = None,
    ) -> None:
        self._listener = listener
        self._spool = spool
        self._options = options
        self._transcript = transcript.open("ab", buffering=0) if transcript else None
        self._dialogue = Dialogue(spool, options, script, self._note if transcript else None)
        self._context = _server_context(options)
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Peer, bytes]] = []
        self._mute: list[Peer] = []
        self._connections = 0
        self._wake, self._woken = socket.socketpair()

    def serve(self) -> None:
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            while self._round():
                pass
        finally:
            for key in list(self._selector.get_map().values()):
                if isinstance(key.data, Peer):
                    key.data.sock.close()
            for peer in self._mute:
                peer.sock.close()
            self._listener.close()
            self._selector.close()
            self._woken.close()
            self._spool.close()
            if self._transcript:
                self._transcript.close()

    def stop(self) -> None:
        """End `serve` from any thread."""
        self._wake.close()

    def _round(self) -> bool:
        timeout = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        for key, mask in self._selector.select(timeout):
            peer = key.data
            if peer is None:
                if key.fileobj is self._woken:
                    return False
                self._accept()
            else:
                self._serve(peer, mask)
        while self._timers and self._timers[0][0] <= time.monotonic():
            _, _, peer, late = heapq.heappop(self._timers)
            if peer.sock.fileno() >= 0:
                peer.hung = False
                self._resume(peer, late)
        return True

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections += 1
            peer = Peer(sock, self._connections, secure=False)
            self._note(peer, b"CONNECT")
            if self._options.tls == "implicit" and not self._secure(peer):
                continue
            peer.sock.setblocking(False)
            self._selector.register(peer.sock, selectors.EVENT_READ, peer)
            self._guarded(peer, b"", greet=True)

    def _serve(self, peer: Peer, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._send(peer, b"")
        if not mask & selectors.EVENT_READ:
            return
        try:
            data = peer.sock.recv(_READ)
            while isinstance(peer.sock, ssl.SSLSocket) and peer.sock.pending():
                data += peer.sock.recv(_READ)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError:
            data = b""
        if not data:
            self._close(peer)
        elif peer.hung:
            peer.buffer += data
        else:
            self._guarded(peer, data)

    def _resume(self, peer: Peer, late: bytes) -> None:
        self._send(peer, late)
        self._guarded(peer, b"")

    def _guarded(self, peer: Peer, data: bytes, *, greet: bool = False) -> None:
        try:
            replies = self._dialogue.greet(peer) if greet else self._dialogue.feed(peer, data)
        except Hangup as hangup:
            self._send(peer, hangup.last)
            self._close(peer)
            return
        except StartTls as start:
            self._selector.unregister(peer.sock)
            peer.sock.sendall(start.answer)
            if self._secure(peer):
                self._selector.register(peer.sock, selectors.EVENT_READ, peer)
            return
        if replies:
            self._send(peer, replies)
        if peer.delay:
            heapq.heappush(self._timers, (time.monotonic() + peer.delay, id(peer), peer, peer.late))
            peer.delay = 0.0
        if peer.mute and peer not in self._mute:
            self._selector.unregister(peer.sock)
            self._mute.append(peer)

    def _send(self, peer: Peer, data: bytes) -> None:
        data = peer.out + data if peer.out else data
        try:
            sent = peer.sock.send(data) if data else 0
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            sent = 0
        except OSError:
            self._close(peer)
            return
        left = data[sent:]
        if bool(left) != bool(peer.out):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if left else 0)
            self._selector.modify(peer.sock, events, peer)
        peer.out = left

    def _close(self, peer: Peer) -> None:
        if peer.sock.fileno() >= 0:
            self._selector.unregister(peer.sock)
            peer.sock.close()

    def _secure(self, peer: Peer) -> bool:
        """Shake hands, blocking for 5 s at most; a client that dislikes the certificate is closed."""
        assert self._context is not None
        raw = peer.sock
        raw.settimeout(5.0)
        try:
            peer.sock = self._context.wrap_socket(raw, server_side=True)
        except OSError:
            raw.close()
            return False
        peer.secure = True
        peer.sock.setblocking(False)
        return True

    def _note(self, peer: Peer, line: bytes) -> None:
        if self._transcript:
            self._transcript.write(b"%d %b %b\n" % (peer.number, b"tls" if peer.secure else b"plain", line))


def _server_context(options: ServerOptions) -> ssl.SSLContext | None:
    if options.tls == "none":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.chain, options.key)
    return context
