"""Clicks and opens, beside the plain shape: a Litestar route that inserts a row for each hit.

Both are asked by the same clients for the same links, next to each other in every round, on PostgreSQL.
Then ours is killed under load. Every hit that was answered is counted in the database.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, func, select

from courierx_core.mail.token import Kind, TokenKeys
from courierx_core.messages.model import Content
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_sql.postgresql import PostgresStore
from tests.benchmarks.figures import Figures, Unbalanced, medians
from tests.benchmarks.tracking_server import HITS
from tests.servers import APP, TEMPLATE, PostgresServer

ROOT = Path(__file__).parents[2]

CONNECTIONS, PIPELINED = 16, 4
URL = "https://acme.example/offers?of=may"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PATIENCE = 60.0


class Site:
    """A database with so many people's mail, each with one link and a dot."""

    def __init__(self, server: PostgresServer, name: str, people: int) -> None:
        self.url, self.rival_url = server.url(name, APP), server.url(name).replace("://", "+psycopg://", 1)
        self.store: Store[Any] = PostgresStore(
            "postgresql", PostgresStore.Config(url=Secret(self.url)), Runtime()
        )
        self.tenant_id, self.keys = add_tenant(self.store), TokenKeys(["bench"])
        content = Content(from_email="a@x.example", subject="s", html="h", links=(URL,))
        with self.store.begin(self.tenant_id) as unit:
            message = new_message(unit, content=content)
            self.message_id = message.id
            addresses = [f"{n}@x.example" for n in range(people)]
            self.ids = [each.id for each in unit.deliveries.add(message, addresses)]
        self.rival = create_engine(self.rival_url)
        HITS.metadata.create_all(self.rival)

    def close(self) -> None:
        self.store.close()
        self.rival.dispose()

    def requests(self, kind: Kind) -> list[bytes]:
        letter = kind[0]
        return [
            f"GET /{letter}/{self.keys.mint(kind, self.tenant_id, each)} HTTP/1.1\r\nHost: x\r\n"
            f"User-Agent: {AGENT}\r\n\r\n".encode()
            for each in self.ids
        ]

    def kept(self, who: str) -> int:
        if who == "ours":
            with self.store.begin(self.tenant_id, write=False) as unit:
                return sum(tally.all for tally in unit.events.tally(self.message_id).values())
        with self.rival.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(HITS)).scalar_one())


def compare(people: int, rounds: int, server: PostgresServer) -> dict[str, Figures]:
    """Return requests a second of both, ours as times the plain shape, and what a kill loses."""
    found: dict[str, list[Figures]] = {"ours": [], "litestar_insert": [], "ratios": []}
    lost: list[Figures] = []
    for _ in range(rounds):
        with server.database(template=TEMPLATE) as name:
            site = Site(server, name, people)
            ours, plain = measure(site, "ours"), measure(site, "litestar_insert")
            lost.append(kill(site))
            site.close()
        found["ours"].append(ours)
        found["litestar_insert"].append(plain)
        found["ratios"].append({f"{kind}_x_plain": ours[kind] / plain[kind] for kind in ours})
    return {**{name: medians(figures) for name, figures in found.items()}, "kill": medians(lost)}


def measure(site: Site, who: str) -> Figures:
    """Ask for every link and every dot once. Raises Unbalanced when a hit is not in the database."""
    figures: Figures = {}
    before = site.kept(who)
    with running(site, who) as (process, address):
        ask(address, site.requests("open")[:200])
        for kind in ("click", "open"):
            asked = site.requests(kind)  # type: ignore[arg-type]
            began = time.perf_counter()
            answered = ask(address, asked)
            figures[kind] = answered / (time.perf_counter() - began)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    kept, asked_for = site.kept(who) - before, 200 + 2 * len(site.ids)
    if kept != asked_for:
        raise Unbalanced(f"{who} answered {asked_for} hits and kept {kept}")
    return figures


def kill(site: Site) -> Figures:
    """Kill ours under load; return how many milliseconds before that the last hit came that it kept."""
    with running(site, "ours") as (process, address):
        ask(address, site.requests("open")[:200])
        answered: list[int] = []
        asked = site.requests("open") * 4
        client = threading.Thread(target=lambda: answered.append(ask(address, asked)))
        client.start()
        time.sleep(0.5)
        process.kill()
        killed = datetime.now(timezone.utc)
        process.wait(PATIENCE)
        client.join()
    with site.store.begin(site.tenant_id, write=False) as unit:
        newest = unit.events.list(kinds=("opened",), limit=1)[0].at
    return {"lost_ms": max(0.0, (killed - newest).total_seconds() * 1e3), "answered": float(answered[0])}


@contextmanager
def running(site: Site, who: str) -> Iterator[tuple[subprocess.Popen[bytes], tuple[str, int]]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    with listener, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.benchmarks.tracking_server", who, site.url, site.rival_url]
        process = subprocess.Popen(
            [*command, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            cwd=folder,
            env={"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        )
        try:
            yield process, listener.getsockname()
        finally:
            process.kill()
            process.wait(PATIENCE)


def ask(address: tuple[str, int], requests: Sequence[bytes]) -> int:
    """Send requests over a few connections, several at a time on each; return how many were answered."""
    counts = [0] * CONNECTIONS
    threads = [
        threading.Thread(target=_ask, args=(address, requests[number::CONNECTIONS], counts, number))
        for number in range(CONNECTIONS)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return sum(counts)


def _ask(address: tuple[str, int], requests: Sequence[bytes], counts: list[int], number: int) -> None:
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        for at in range(0, len(requests), PIPELINED):
            some = requests[at : at + PIPELINED]
            got = b""
            try:
                connection.sendall(b"".join(some))
                while (answered := got.count(b"HTTP/1.1 ")) < len(some) or not _is_whole(got):
                    more = connection.recv(1 << 16)
                    if not more:
                        raise ConnectionResetError
                    got += more
            except OSError:
                return
            if got.count(b"HTTP/1.1 302") + got.count(b"HTTP/1.1 200") != answered:
                raise Unbalanced(f"an answer is no redirect and no dot: {got[:200]!r}")
            counts[number] += answered


def _is_whole(got: bytes) -> bool:
    """Tell whether the last answer has ended: after its head, or after the dot."""
    return got.endswith((b"\r\n\r\n", b";", b"null"))
