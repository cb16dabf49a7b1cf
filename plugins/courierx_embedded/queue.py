"""The queue named `embedded`: notifications to every listening process on this machine that shares the
runtime folder. A datagram socket per listener; one that is lost is made up for by the sweep.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from courierx_core.heard import call_for, checked_topic
from courierx_core.ports.driver import Config, Problem, Runtime
from courierx_core.ports.queue import Queue, Stop

_PATH_MAX = 100
"""A Unix socket's path takes 104 to 108 bytes."""
_numbers = itertools.count(1)


class EmbeddedQueueConfig(Config, frozen=True, kw_only=True):
    """Nothing to set."""


class EmbeddedQueue(Queue[EmbeddedQueueConfig]):
    """Wakes listeners in this process directly and those of other processes through the folder."""

    Config: ClassVar[type[Any]] = EmbeddedQueueConfig

    def __init__(self, name: str, config: EmbeddedQueueConfig, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._folder = runtime.folder / "notify"
        self._lock = threading.Lock()
        self._listeners: dict[str, socket.socket] = {}
        """The sending ends of this instance's own listeners, by the name of their socket file."""
        self._sender: socket.socket | None = None

    def notify(self, topic: str) -> str:
        data = checked_topic(topic).encode()
        with self._lock:
            for sender in self._listeners.values():
                with contextlib.suppress(OSError):
                    sender.send(data)
            self._notify_others(data)
        return f"{os.getpid()}-{next(_numbers)}"

    def listen(
        self, topics: Sequence[str], handle: Callable[[str], None], stop: Stop, sweep_seconds: float
    ) -> None:
        name = f"{os.getpid()}-{next(_numbers)}"
        inner, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        sender.setblocking(False)
        outer = self._bind(name)
        with self._lock:
            self._listeners[name] = sender
        try:
            with selectors.DefaultSelector() as selector:
                for sock in (inner, outer):
                    if sock is not None:
                        sock.setblocking(False)
                        selector.register(sock, selectors.EVENT_READ)
                wait, now = partial(_drain, selector), self.runtime.monotonic
                call_for(topics, handle, stop, sweep_seconds, wait=wait, monotonic=now)
        finally:
            with self._lock:
                del self._listeners[name]
            inner.close()
            sender.close()
            if outer is not None:
                outer.close()
                (self._folder / name).unlink(missing_ok=True)

    def check(self) -> list[Problem]:
        there = next(folder for folder in (self._folder, *self._folder.parents) if folder.exists())
        if self._fits() and os.access(there, os.W_OK | os.X_OK):
            return []
        return [
            Problem(
                "warning",
                "queue_one_process",
                f"{self.name}: {self._folder} cannot hold sockets, so other processes wait for the sweep",
                "Choose a writable data folder with a shorter path.",
            )
        ]

    def close(self) -> None:
        with self._lock:
            if self._sender is not None:
                self._sender.close()
                self._sender = None

    def _notify_others(self, data: bytes) -> None:
        """Tell each socket in the folder that is not our own; remove those whose process has died."""
        if not self._folder.is_dir():
            return
        if self._sender is None:
            self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sender.setblocking(False)
        for name in os.listdir(self._folder):
            if name in self._listeners:
                continue
            path = self._folder / name
            try:
                self._sender.sendto(data, str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue  # its buffer is full, so it will wake anyway; or it has just gone

    def _bind(self, name: str) -> socket.socket | None:
        """Open this listener's socket in the folder; None where that cannot be."""
        if not self._reachable():
            return None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sock.bind(str(self._folder / name))
        except OSError:
            sock.close()
            return None
        return sock

    def _fits(self) -> bool:
        return len(os.fsencode(_longest(self._folder))) <= _PATH_MAX

    def _reachable(self) -> bool:
        """Make the folder; tell whether sockets can be in it."""
        if not self._fits():
            return False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return False
        return os.access(self._folder, os.W_OK | os.X_OK)


def _longest(folder: Path) -> Path:
    return folder / "4194304-999999"


def _drain(selector: selectors.BaseSelector, seconds: float) -> set[str]:
    """Wait for notifications and read all there are: many become one."""
    heard: set[str] = set()
    for key, _ in selector.select(seconds):
        sock = key.fileobj
        assert isinstance(sock, socket.socket)
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.add(sock.recv(128).decode("ascii", "replace"))
    return heard
