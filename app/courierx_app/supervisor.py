"""Which processes `courierx serve` and `courierx worker --processes` run as their children."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

from courierx_app.children import Child, keep, lifeline
from courierx_app.container import opened
from courierx_app.listening import bind
from courierx_app.secret_key import FILE as KEY_FILE
from courierx_app.settings import Configuration, refusals
from courierx_core import adoption
from courierx_core.access import service as access
from courierx_core.errors import ConfigError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
WORKER = ("-m", "courierx_app.cli", "worker")


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
    """Run the API and a worker until SIGTERM or SIGINT; return the exit status."""
    environ = {"COURIERX_PUBLIC_URL": "", **os.environ}
    if dev and not environ["COURIERX_PUBLIC_URL"].strip():
        environ["COURIERX_PUBLIC_URL"] = address(listener)
    handle = listener.fileno()
    api = ["-m", "courierx_app.api_process", "--fd", str(handle), *(["--dev"] if dev else [])]
    with listener, lifeline() as alive:

        def children(stop: threading.Event) -> list[Child]:
            made = [Child("api", api, alive, stop, environ, (handle,))]
            return [*made, Child("worker", WORKER, alive, stop, environ)] if worker else made

        return keep(children)


def supervise_workers(processes: int, name: str) -> int:
    """Run as many workers until SIGTERM or SIGINT; return the exit status."""
    with lifeline() as alive:

        def children(stop: threading.Event) -> list[Child]:
            names = [f"{name}-{number}" if name else "" for number in range(1, processes + 1)]
            return [
                Child(f"worker {number}", [*WORKER, *(["--name", each] if each else [])], alive, stop)
                for number, each in enumerate(names, 1)
            ]

        return keep(children)
