"""Further connections are opened on threads, so that those that are open go on meanwhile."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from courierx_core.ports.transport import TransportDown
from courierx_smtp.offers import Offers

Dialled: TypeAlias = tuple[socket.socket, Offers]


class Dialler:
    """Runs `connect` on daemon threads and makes `bell` readable when an answer is there."""

    def __init__(self, connect: Callable[[], Dialled]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._answers: deque[Dialled | TransportDown] = deque()
        self._ended = False
        self.bell, self._ring = socket.socketpair()
        self.bell.setblocking(False)
        self.under_way = 0

    def dial(self) -> None:
        """Begin to open one connection."""
        self.under_way += 1
        threading.Thread(target=self._run, name="smtp-dial", daemon=True).start()

    def answers(self) -> list[Dialled | TransportDown]:
        """Take what has come of the dials."""
        with self._lock:
            found = list(self._answers)
            self._answers.clear()
            if found:
                self.bell.recv(4096)
        self.under_way -= len(found)
        return found

    def close(self) -> None:
        """Close what was opened and nobody took, now and when it comes."""
        with self._lock:
            self._ended = True
            for answer in self._answers:
                if not isinstance(answer, TransportDown):
                    answer[0].close()
            self._answers.clear()
            self.bell.close()
            self._ring.close()

    def _run(self) -> None:
        answer: Dialled | TransportDown
        try:
            answer = self._connect()
        except TransportDown as down:
            answer = down
        with self._lock:
            if not self._ended:
                self._answers.append(answer)
                self._ring.send(b"!")
            elif not isinstance(answer, TransportDown):
                answer[0].close()
