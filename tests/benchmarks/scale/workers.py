"""The same campaign by 1, 2, 4 and 8 worker processes, and by two that RQ wakes; what each used up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psutil  # type: ignore[import-untyped]
import psycopg

from tests.benchmarks import pipeline
from tests.benchmarks.figures import Figures, Part, medians, own_cpu
from tests.benchmarks.sink import Sink
from tests.benchmarks.sizes import Pipeline
from tests.servers import PostgresServer
from tests.valkey import private_redis

TWO = "2 workers"


def compare(
    numbers: Sequence[int],
    recipients: int,
    rounds: int,
    sink_kind: type[Sink],
    postgres: PostgresServer,
    say: Callable[[str], None],
) -> Part:
    """Return the figures of each number of workers, and RQ's rate as times the embedded queue's."""
    postgres.execute("ALTER SYSTEM SET track_wal_io_timing = on", "SELECT pg_reload_conf()")
    found: dict[str, list[Figures]] = {}
    with private_redis() as redis:
        rq = {"COURIERX_QUEUE": "rq", "COURIERX_LIMITER": "redis", "REDIS_URL": redis.url}
        for _ in range(rounds):
            ways: dict[str, tuple[int, Mapping[str, str]]] = {"2 workers, RQ and Redis": (2, rq)}
            ways |= {_name(each): (each, {}) for each in numbers}
            rates, costs = {}, {}
            for name, (workers, settings) in ways.items():
                one = Pipeline("postgresql", 200, "tags", workers, recipients)
                with pipeline.room(one, sink_kind, postgres) as (sink, environ):
                    figures = pipeline.run(one, sink, {**environ, **settings}, postgres, used(postgres))
                rates[name], costs[name] = figures["per_second"], own_cpu(figures)
                found.setdefault(name, []).append(shares(figures, workers))
                say(f"{name}: {rates[name]:.0f}/s")
            best = max(rates[_name(each)] for each in numbers)
            times = {
                "rq_x_embedded": rates["2 workers, RQ and Redis"] / rates[TWO],
                "most_workers_x_best": rates[_name(max(numbers))] / best,
                "most_workers_cpu_x_two": costs[_name(max(numbers))] / costs[TWO],
            }
            found.setdefault("ratios", []).append(times)
    return {name: medians(figures) for name, figures in found.items()}


@contextmanager
def used(postgres: PostgresServer) -> Iterator[Figures]:
    """Watch what can run out; it is in the figures afterwards, as the share that was used."""
    figures: Figures = {}
    idle, total, synced = _idle(), sum(psutil.cpu_times()), _synced(postgres)
    yield figures
    spent = sum(psutil.cpu_times()) - total
    figures["machine"] = 1 - (_idle() - idle) / spent
    seconds = spent / psutil.cpu_count()
    figures["wal_fsync"] = (_synced(postgres) - synced) / seconds
    with psycopg.connect(postgres.url()) as connection:
        counted = "SELECT count(*)::float8, current_setting('max_connections')::float8 FROM pg_stat_activity"
        open_, most = connection.execute(f"{counted} WHERE backend_type = 'client backend'").fetchone() or (
            0,
            1,
        )
    figures["connections"] = open_ / most


def shares(figures: Figures, workers: int) -> Figures:
    """Express everything as a share of what there is: a worker and the sink are one thread's worth each."""
    cores = {
        name: figures[f"{name}_cpu_us"] * figures["per_second"] / 1e6
        for name in ("worker", "database", "sink")
    }
    return {
        "per_second": figures["per_second"],
        "worker_cores": cores["worker"],
        "database_cores": cores["database"],
        "sink_cores": cores["sink"],
        "each_worker": cores["worker"] / workers,
        "sink": cores["sink"],
        **{name: figures[name] for name in ("machine", "wal_fsync", "connections")},
        "other_work": figures["machine"] - sum(cores.values()) / psutil.cpu_count(),
    }


def _name(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"


def _idle() -> float:
    times = psutil.cpu_times()
    return float(times.idle + getattr(times, "iowait", 0.0))


def _synced(postgres: PostgresServer) -> float:
    """Return the seconds that the server has waited for its log to be on disk."""
    with psycopg.connect(postgres.url()) as connection:
        (milliseconds,) = connection.execute("SELECT wal_sync_time FROM pg_stat_wal").fetchone() or (0.0,)
    return float(milliseconds) / 1e3
