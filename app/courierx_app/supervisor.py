"""`courierx serve`: the API and a worker as child processes, restarted when one dies."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from courierx_app.container import opened
from courierx_app.listening import bind
from courierx_app.parent import VARIABLE
from courierx_app.secret_key import FILE as KEY_FILE
from courierx_app.settings import Configuration, refusals
from courierx_core import access, adoption
from courierx_core.errors import ConfigError

log = logging.getLogger("courierx_app.supervisor")

GRACE_SECONDS = 45.0
"""What a child gets to finish what is under way before it is killed."""
STEADY_SECONDS = 10.0
"""A child that lived this long is restarted at once; one that dies sooner waits longer each time."""
LONGEST_WAIT_SECONDS = 30.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def prepare(
    configuration: Configuration, *, host: str, port: int, dev: bool, say: Callable[[str], None]
) -> socket.socket:
    """Bind the address, bring the database up to date, and say once what a person needs.

    Raises ConfigError where the settings or the address forbid it.
    """
    problems = refusals(configuration.settings, dev=dev)
    if dev and host not in LOOPBACK:
        problems.append(f"--dev answers without a key, so it binds loopback only: --host is {host}")
    if problems:
        raise ConfigError("\n".join(problems))
    listener = bind(host, port)
    had_key = (configuration.folder / KEY_FILE).exists()
    try:
        with opened(configuration, migrate=True) as courier:
            if why := adoption.check(courier):
                say(f"Nothing is sent: {why}. {adoption.WAY_ON}")
            keys = access.list_keys(courier.store)
            if not dev and not any(key.revoked_at is None for key in keys):
                _, text = access.create_key(courier.store, name="first")
                say(f"Platform key, shown this once: {text}")
    except BaseException:
        listener.close()
        raise
    if not had_key and (configuration.folder / KEY_FILE).exists():
        say(f"The secret key is in {KEY_FILE}: back it up, links in sent mail need it.")
    say(f"CourierX listens on {address(listener)} (API: {address(listener)}/docs).")
    if dev:
        say("--dev: whoever is on this machine needs no key.")
    return listener


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def supervise(listener: socket.socket, *, dev: bool, worker: bool) -> int:
    """Run the children until SIGTERM or SIGINT; return the exit status."""
    stop = threading.Event()
    alive, ours = os.pipe()
    environ = {**os.environ, VARIABLE: str(alive)}
    environ.setdefault("COURIERX_PUBLIC_URL", "")
    if dev and not environ["COURIERX_PUBLIC_URL"].strip():
        environ["COURIERX_PUBLIC_URL"] = address(listener)
    api = ["-m", "courierx_app.api_process", "--fd", str(listener.fileno()), *(["--dev"] if dev else [])]
    children = [Child("api", api, environ, (alive, listener.fileno()), stop)]
    if worker:
        children.append(Child("worker", ["-m", "courierx_app.cli", "worker"], environ, (alive,), stop))

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for child in children:
            child.start()
        # A wait without a time-out would not let a signal's handler run on every platform.
        while not stop.wait(1.0):
            pass
        for child in children:
            child.ask_to_end()
        deadline = time.monotonic() + GRACE_SECONDS
        clean = [child.end(deadline) for child in children]
    finally:
        os.close(ours)
        os.close(alive)
        listener.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0 if all(clean) else 1


class Child(threading.Thread):
    """Keeps one process running until told to stop."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        handles: tuple[int, ...],
        stop: threading.Event,
    ) -> None:
        super().__init__(name=f"courierx-{name}", daemon=True)
        self._word, self._arguments, self._environ, self._handles = name, arguments, environ, handles
        self._stopping = stop
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            began = time.monotonic()
            with self._lock:
                if self._stopping.is_set():
                    return
                self._process = process = subprocess.Popen(  # noqa: S603  our own modules
                    [sys.executable, *self._arguments],
                    env=self._environ,
                    pass_fds=self._handles,
                    # Ctrl-C reaches the supervisor alone, which then ends its children in order.
                    start_new_session=True,
                )
            status = process.wait()
            if self._stopping.is_set():
                return
            steady = time.monotonic() - began >= STEADY_SECONDS
            wait = 0.0 if steady else min(max(1.0, wait * 2), LONGEST_WAIT_SECONDS)
            log.error("The %s ended with status %s; it is started again in %.0f s.", self._word, status, wait)

    def ask_to_end(self) -> None:
        """Forward SIGTERM; the process finishes what is under way."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def end(self, deadline: float) -> bool:
        """Wait until the process has ended, by force after `deadline`; True when it ended by itself."""
        self.join(max(0.0, deadline - time.monotonic()))
        if not self.is_alive():
            return True
        with self._lock:
            if self._process is not None:
                log.error("The %s did not end in %.0f s and is killed.", self._word, GRACE_SECONDS)
                self._process.kill()
        self.join()
        return False
