"""The API: a person added, beside a FastAPI route with an ORM; a GET while a campaign is sent; an import.

All on PostgreSQL. What is compared is asked by the same client, one after the other in every round, and every
row is counted afterwards.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, func, select

from courierx_app.container import opened
from courierx_app.settings import read
from courierx_core.access import service as access
from courierx_core.audience.model import Audience
from courierx_core.courier import Courier
from courierx_core.imports.run import take_in
from courierx_core.imports.steps import import_csv
from courierx_core.testing.store_samples import add_tenant
from tests.benchmarks import http_rival, pipeline
from tests.benchmarks.campaign import prepare
from tests.benchmarks.figures import Figures, Unbalanced, medians
from tests.benchmarks.http_client import Address, exchange, p99, rate, request
from tests.benchmarks.processes import peak_memory
from tests.benchmarks.sink import Sink
from tests.benchmarks.sizes import Pipeline
from tests.servers import PostgresServer

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def compare(
    one: Pipeline, asked: int, rows: int, rounds: int, sink_kind: type[Sink], server: PostgresServer
) -> dict[str, Figures]:
    """Return answers a second, milliseconds, and rows a second, with their ratios."""
    found: dict[str, list[Figures]] = {}
    for _ in range(rounds):
        with pipeline.room(one, sink_kind, server) as (sink, environ):
            rival_url = server.url(pipeline.database_of(environ)).replace("://", "+psycopg://", 1)
            with opened(read(sink.folder, environ)) as courier:
                created = create(courier, environ, rival_url, asked)
                while_sending = look(courier, environ, one, sink, asked)
                imported = bring_in(courier, environ, rows)
        for name, figures in (("create", created), ("get", while_sending), ("import", imported)):
            found.setdefault(name, []).append(figures)
    return {name: medians(figures) for name, figures in found.items()}


def create(courier: Courier, environ: Mapping[str, str], rival_url: str, count: int) -> Figures:
    """Add people by ours and, where FastAPI is installed, by the rival. Raises Unbalanced for a lost one."""
    tenant_id = add_tenant(courier.store, "Create")
    key = access.create_key(courier.store, tenant_id=tenant_id)[1]
    with running(environ, "ours") as (_, address):
        rate(address, people(key, count // 10 + 1, "warm"))
        figures = {"per_second": rate(address, people(key, count, "p"))}
    with courier.store.begin(tenant_id, write=False) as unit:
        _hold("ours", unit.subscribers.count(Audience()), count + count // 10 + 1)
    if not http_rival.is_here():
        return figures
    engine = create_engine(rival_url)
    http_rival.prepare(engine)
    with running(environ, "fastapi", rival_url) as (_, address):
        rate(address, people(http_rival.KEY, count // 10 + 1, "warm"))
        figures["fastapi_per_second"] = rate(address, people(http_rival.KEY, count, "p"))
    with engine.connect() as connection:
        kept = connection.execute(select(func.count()).select_from(http_rival.Person)).scalar_one()
    _hold("fastapi", kept, count + count // 10 + 1)
    engine.dispose()
    return figures | {"x_fastapi_orm": figures["per_second"] / figures["fastapi_per_second"]}


def look(courier: Courier, environ: Mapping[str, str], one: Pipeline, sink: Sink, count: int) -> Figures:
    """Ask for a person with nothing else to do, and while a campaign is sent as fast as it goes.

    Raises Unbalanced when somebody got none or two of the campaign.
    """
    tenant_id, campaign_id = prepare(courier, one.recipients, one.template)
    key = access.create_key(courier.store, tenant_id=tenant_id)[1]
    with courier.store.begin(tenant_id, write=False) as unit:
        (person,) = unit.subscribers.list(limit=1)
    asked = request("GET", f"/subscribers/{person.id}", key)
    worker = pipeline.start_worker(sink.folder, dict(environ))
    with running(environ, "ours") as (_, address):
        pipeline.hear(worker, "ready")
        p99(address, asked, count // 10 + 1)
        idle = p99(address, asked, count)
        pipeline.tell([worker], "go")
        sending = p99(address, asked, count)
        pipeline.wait_until_sent(courier, [worker], tenant_id, campaign_id)
        pipeline.tell([worker], "enough")
        pipeline.hear(worker)
        worker.communicate()
    pipeline.hold(courier, one, tenant_id, campaign_id)
    sink.hold(f"http: {one.key}", one.recipients)
    return {"idle_p99_ms": idle, "sending_p99_ms": sending, "x_idle": sending / idle}


def bring_in(courier: Courier, environ: Mapping[str, str], rows: int) -> Figures:
    """Import one file by the function alone, and over HTTP with the steps a worker takes."""
    file = b"email,first_name,city\n" + b"".join(b"p%d@x.example,Ann,Oslo\n" % n for n in range(rows))
    alone, over_http = add_tenant(courier.store, "Alone"), add_tenant(courier.store, "Over HTTP")
    key = access.create_key(courier.store, tenant_id=over_http)[1]
    began = time.perf_counter()
    import_csv(courier, alone, io.BytesIO(file))
    alone_took = time.perf_counter() - began
    with running(environ, "ours") as (process, address):
        upload(address, key, file[:1000])
        taken_in(courier)
        before = peak_memory(process.pid)
        began = time.perf_counter()
        upload(address, key, file)
        taken_in(courier)
        http_took = time.perf_counter() - began
        grown = peak_memory(process.pid) - before
    for name, tenant_id in (("alone", alone), ("over HTTP", over_http)):
        with courier.store.begin(tenant_id, write=False) as unit:
            _hold(name, unit.subscribers.count(Audience()), rows)
    return {
        "alone_per_second": rows / alone_took,
        "http_per_second": rows / http_took,
        "x_alone": http_took / alone_took,
        "file_mb": len(file) / 2**20,
        "server_memory_grown_mb": grown,
    }


def upload(address: Address, key: str, file: bytes) -> None:
    file = file[: file.rindex(b"\n") + 1]
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        exchange(connection, request("POST", "/subscribers/bulk-import", key, file, "text/csv"))


def taken_in(courier: Courier) -> None:
    """Do what a worker would, until no import is left."""
    ledger = courier.store.ledger()
    while items := ledger.claim("bench", limit=1, lease_seconds=600, topics=("import",)):
        take_in(courier, items[0])
    ledger.close()


def people(key: str, count: int, word: str) -> list[bytes]:
    return [
        request("POST", "/subscribers", key, json.dumps({
            "email": f"{word}{n}@x.example", "first_name": "Ann", "last_name": "Lee",
            "attributes": {"city": "Oslo", "plan": "pro"},
        }).encode())
        for n in range(count)
    ]  # fmt: skip


def _hold(who: str, kept: int, wanted: int) -> None:
    if kept != wanted:
        raise Unbalanced(f"{who} was given {wanted} people and kept {kept}")


@contextmanager
def running(
    environ: Mapping[str, str], kind: str, rival_url: str = ""
) -> Iterator[tuple[subprocess.Popen[bytes], Address]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    with listener, tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.http_server", kind, rival_url, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            cwd=folder,
            env={**environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        )
        try:
            yield process, listener.getsockname()
        finally:
            process.kill()
            process.wait(PATIENCE)
