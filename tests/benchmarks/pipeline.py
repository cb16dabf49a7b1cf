"""A whole campaign with its ledger, over SMTP, to a sink: one run of one configuration.

The clock runs from the workers' first claim until the campaign is completed: connecting and the last commit
are in it. PostgreSQL is durable, with row-level security and the app's role.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from courierx_app.container import opened
from courierx_app.settings import read
from courierx_core.campaigns import service as campaigns
from courierx_core.courier import Courier
from tests.benchmarks.campaign import environ_of, prepare
from tests.benchmarks.database import Meter
from tests.benchmarks.figures import Figures, Unbalanced
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.sink import RecordingSink, Sink
from tests.benchmarks.sizes import Pipeline
from tests.servers import APP, TEMPLATE, PostgresServer

ROOT = Path(__file__).parents[2]
LOOK_SECONDS = 0.05


def measure(one: Pipeline, sink_kind: type[Sink], postgres: PostgresServer) -> Figures:
    """Send one campaign. Raises Unbalanced when somebody got none or two of it."""
    with room(one, sink_kind, postgres) as (sink, environ):
        return run(one, sink, environ, postgres)


def size_of(one: Pipeline, postgres: PostgresServer) -> int:
    """Send one campaign to the server that writes down each address; return a message's size in bytes."""
    with room(one, RecordingSink, postgres) as (sink, environ):
        run(one, sink, environ, postgres)
        assert isinstance(sink, RecordingSink)
        return sink.mean_size()


@contextmanager
def room(
    one: Pipeline, sink_kind: type[Sink], postgres: PostgresServer
) -> Iterator[tuple[Sink, dict[str, str]]]:
    """Start a sink, make a database, and configure an install for them."""
    with tempfile.TemporaryDirectory(prefix="courierx-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with sink_kind(folder) as sink:
            if one.store == "sqlite":
                yield sink, environ_of(f"sqlite:///{folder / 'bench.db'}", sink.port, one.window)
            else:
                with postgres.database(template=TEMPLATE) as database:
                    yield sink, environ_of(postgres.url(database, APP), sink.port, one.window)


def run(
    one: Pipeline,
    sink: Sink,
    environ: dict[str, str],
    postgres: PostgresServer,
    watching: AbstractContextManager[Figures] | None = None,
) -> Figures:
    """Send it; what `watching` yields has the rest of the figures once it was left."""
    n = one.recipients
    settings = read(sink.folder, environ)
    with opened(settings, migrate=one.store == "sqlite") as courier:
        tenant_id, campaign_id = prepare(courier, n, one.template)
    meter = Meter(postgres, database_of(environ)) if one.store == "postgresql" else None
    workers = [start_worker(sink.folder, environ) for _ in range(one.workers)]
    for worker in workers:
        hear(worker, "ready")
    servers = {"sink": sink.pid} | ({"database": postgres.pid} if meter else {})
    spent = {name: -cpu_seconds(pid) for name, pid in servers.items()}
    with opened(settings) as courier, watching or nullcontext({}) as more:
        began = time.monotonic()
        tell(workers, "go")
        wait_until_sent(courier, workers, tenant_id, campaign_id)
        seconds = time.monotonic() - began
        tell(workers, "enough")
        told = [json.loads(hear(worker)) for worker in workers]
    for name, pid in servers.items():
        spent[name] += cpu_seconds(pid)
    for worker in workers:
        worker.communicate()
        if worker.returncode:
            raise RuntimeError(f"{one.key}: a worker ended with {worker.returncode}")
    used = meter.per_message(n) if meter else {}
    with opened(settings) as courier:
        hold(courier, one, tenant_id, campaign_id)
    sink.hold(one.key, n)
    return {
        "per_second": n / seconds,
        "worker_cpu_us": sum(each["cpu"] for each in told) / n * 1e6,
        **{f"{name}_cpu_us": value / n * 1e6 for name, value in spent.items()},
        **used,
        **more,
        "memory_mb": max(each["memory_mb"] for each in told),
        "memory_above_imports_mb": max(each["memory_above_imports_mb"] for each in told),
    }


def hold(courier: Courier, one: Pipeline, tenant_id: int, campaign_id: int) -> None:
    """Raise Unbalanced unless the ledger says that everybody's copy was accepted."""
    with courier.store.begin(tenant_id, write=False) as unit:
        states = campaigns.report(unit, campaign_id).states
    if states != {"accepted": one.recipients}:
        raise Unbalanced(f"{one.key}: of {one.recipients} people the ledger has {dict(states)}")


def database_of(environ: dict[str, str]) -> str:
    return environ["DATABASE_URL"].rpartition("/")[2].partition("?")[0]


def wait_until_sent(
    courier: Courier, workers: Sequence[subprocess.Popen[str]], tenant_id: int, campaign_id: int
) -> None:
    """Wait until the campaign is completed. Raises RuntimeError when a worker died instead."""
    while True:
        with courier.store.begin(tenant_id, write=False) as unit:
            if unit.campaigns.get(campaign_id).status == "completed":
                return
        if any(worker.poll() is not None for worker in workers):
            raise RuntimeError("a worker died")
        time.sleep(LOOK_SECONDS)


def tell(workers: Sequence[subprocess.Popen[str]], word: str) -> None:
    for worker in workers:
        assert worker.stdin
        worker.stdin.write(f"{word}\n")
        worker.stdin.flush()


def start_worker(folder: Path, environ: dict[str, str]) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.worker", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**environ, "PYTHONPATH": path},
    )  # fmt: skip


def hear(worker: subprocess.Popen[str], wanted: str = "") -> str:
    """Read a worker's next line. Raises RuntimeError when it has died, or says something else."""
    assert worker.stdout
    line = worker.stdout.readline().strip()
    if not line or (wanted and line != wanted):
        raise RuntimeError(f"a worker said {line!r} instead of {wanted or 'its figures'!r}")
    return line
