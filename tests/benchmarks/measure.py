"""The parts of the benchmark, one after another; within a part what is compared takes turns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

import msgspec

from tests.benchmarks import bounces, growth, http, pipeline, render, smtp_client, store, tracking
from tests.benchmarks.figures import Figures, Part, medians, own_cpu
from tests.benchmarks.machine import look
from tests.benchmarks.report import Run
from tests.benchmarks.rivals import measure_smtp_source, measure_textbook
from tests.benchmarks.scale import measure as scale
from tests.benchmarks.sink import Sink
from tests.benchmarks.sizes import Pipeline, Sizes
from tests.servers import PostgresServer, private_postgres

SOURCE_AT_MOST = 100_000
"""What smtp-source sends a round: nothing in it depends on how many there are."""
Way: TypeAlias = Callable[[Sizes, PostgresServer, type[Sink]], Part]


def _smtp_client(sizes: Sizes, _postgres: PostgresServer, _sink: type[Sink]) -> Part:
    return smtp_client.compare(sizes.messages, sizes.delayed, sizes.rounds)


def _http(sizes: Sizes, postgres: PostgresServer, sink: type[Sink]) -> Part:
    return http.compare(sizes.pipelines[0], sizes.asked, sizes.people, sizes.rounds, sink, postgres)


def _pipelines(sizes: Sizes, postgres: PostgresServer, sink: type[Sink]) -> Part:
    return compare_pipelines(sizes.pipelines, sizes, postgres, sink)


def _matrix(sizes: Sizes, postgres: PostgresServer, sink: type[Sink]) -> Part:
    return compare_pipelines(sizes.matrix, sizes, postgres, sink)


def _scale(sizes: Sizes, postgres: PostgresServer, sink: type[Sink]) -> Part:
    return scale.compare(sizes.scale, sizes.rounds, sink, postgres, say)


def _tracked(sizes: Sizes, postgres: PostgresServer, sink: type[Sink]) -> Part:
    return compare_tracked(sizes, postgres, sink)


def _growth(sizes: Sizes, postgres: PostgresServer, sink: type[Sink]) -> Part:
    return growth.compare(*sizes.growing, sizes.half, sizes.rounds, sink, postgres, say)


PARTS: Mapping[str, Way] = {
    "bounces": lambda *_: bounces.compare(),
    "render": lambda sizes, *_: render.compare(sizes.rendered),
    "smtp_client": _smtp_client,
    "store": lambda sizes, postgres, _: store.compare(sizes.people, sizes.rounds, postgres),
    "tracking": lambda sizes, postgres, _: tracking.compare(sizes.readers, sizes.rounds, postgres),
    "http": _http,
    "pipeline": _pipelines,
    "tracked": _tracked,
    "growth": _growth,
    "matrix": _matrix,
    "scale": _scale,
}
ASKED_FOR = ("matrix", "scale")
"""Parts that are measured on request only: they take long."""
BY_DEFAULT = tuple(name for name in PARTS if name not in ASKED_FOR)


def measure(sizes: Sizes, command: str, parts: Collection[str], sink_kind: type[Sink]) -> dict[str, Run]:
    """Measure these parts. Raises Unbalanced when a run lost or repeated a message."""
    runs = {}
    with private_postgres(durable=True) as postgres:
        postgres.prepare()
        for name, way in PARTS.items():
            if name in parts:
                say(name)
                machine = look()
                figures = way(sizes, postgres, sink_kind)
                runs[name] = Run(command, machine, sizes.rounds, figures)
    return runs


def compare_pipelines(
    pipelines: Collection[Pipeline], sizes: Sizes, postgres: PostgresServer, sink_kind: type[Sink]
) -> Part:
    """Run every configuration once a round, next to its rivals; ratios are taken within the round."""
    bytes_of = {
        one.name: pipeline.size_of(msgspec.structs.replace(one, recipients=sizes.checked), postgres)
        for one in {each.name: each for each in pipelines}.values()
    }
    first = next(iter(pipelines))
    size = bytes_of[first.name]
    results: dict[str, list[Figures]] = {}
    for _ in range(sizes.rounds):
        source = measure_smtp_source(min(first.recipients, SOURCE_AT_MOST), size)
        textbook = measure_textbook(sizes.textbook, sink_kind, postgres)
        for name, figures in (("smtp-source", source), ("textbook", textbook)):
            if figures is not None:
                results.setdefault(name, []).append(figures)
        for one in pipelines:
            figures = pipeline.measure(one, sink_kind, postgres)
            figures["x_textbook"] = figures["per_second"] / textbook["per_second"]
            if source is not None:
                figures["x_smtp_source"] = figures["per_second"] / source["per_second"]
            results.setdefault(one.key, []).append(figures)
            say(f"{one.key}: {figures['per_second']:.0f}/s")
    return {name: medians(runs) for name, runs in results.items()}


def compare_tracked(sizes: Sizes, postgres: PostgresServer, sink_kind: type[Sink]) -> Part:
    """Return what clicks and opens that can be told cost a campaign, as times the same mail without."""
    bare = msgspec.structs.replace(sizes.pipelines[0], template="untracked")
    results: dict[str, list[Figures]] = {}
    for _ in range(sizes.rounds):
        ways = {one.key: pipeline.measure(one, sink_kind, postgres) for one in (bare, sizes.pipelines[0])}
        without, tracked = ways.values()
        times = {
            "cpu": own_cpu(tracked) / own_cpu(without),
            "seconds": without["per_second"] / tracked["per_second"],
        }
        for name, figures in {**ways, "tracked: times untracked": times}.items():
            results.setdefault(name, []).append(figures)
        say(f"tracked: {times['cpu']:.2f} times the processor time of untracked")
    return {name: medians(runs) for name, runs in results.items()}


def say(what: str) -> None:
    """Tell a person who waits; standard output is the report's."""
    print(what, file=sys.stderr, flush=True)
