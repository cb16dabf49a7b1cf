"""A TCP proxy that keeps what a client wrote, and shows whether it waited for the answers."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Stands before a server on a loopback port, for the length of a with block."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.turns: list[bytes] = []
        """What the client wrote between two answers, in order, over all connections."""

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                for source, to, keep in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._pass, args=(source, to, keep), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, keep: bool) -> None:
        with suppress(OSError):
            while data := source.recv(262_144):
                if keep:
                    self.turns.append(data)
                to.sendall(data)
        for side in (source, to):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
