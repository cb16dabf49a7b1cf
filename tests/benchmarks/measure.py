"""Every part of the benchmark, one after another; within a part what is compared takes turns."""

from __future__ import annotations

import sys
from collections.abc import Callable

import msgspec

from tests.benchmarks import http, pipeline, render, smtp_client, store, tracking
from tests.benchmarks.bars import bars
from tests.benchmarks.figures import Figures, medians
from tests.benchmarks.machine import look
from tests.benchmarks.report import Part, Report
from tests.benchmarks.rivals import measure_smtp_source, measure_textbook
from tests.benchmarks.sink import Sink, fast_sink
from tests.benchmarks.sizes import Sizes
from tests.servers import PostgresServer, private_postgres


def measure(sizes: Sizes, command: str, only: str = "", sink_kind: type[Sink] | None = None) -> Report:
    """Measure every part, or one. Raises Unbalanced when a run lost or repeated a message."""
    machine, parts = look(), dict[str, Part]()
    with private_postgres(durable=True) as postgres:
        postgres.prepare()
        ways: dict[str, Callable[[], Part]] = {
            "render": lambda: render.compare(sizes.rendered),
            "smtp_client": lambda: smtp_client.compare(sizes.messages, sizes.delayed, sizes.rounds),
            "store": lambda: store.compare(sizes.people, sizes.rounds, postgres),
            "tracking": lambda: tracking.compare(sizes.readers, sizes.rounds, postgres),
            "http": lambda: http.compare(
                sizes.pipelines[0],
                sizes.asked,
                sizes.people,
                sizes.rounds,
                sink_kind or fast_sink(),
                postgres,
            ),
            "pipeline": lambda: compare_pipelines(sizes, postgres, sink_kind or fast_sink()),
        }
        for name, way in ways.items():
            if not only or name == only:
                say(name)
                parts[name] = way()
    judged = bars(parts, sizes.pipelines)
    return Report(command, machine, sizes.rounds, sizes.recipients, parts, judged)


def compare_pipelines(sizes: Sizes, postgres: PostgresServer, sink_kind: type[Sink]) -> Part:
    """Run every configuration once a round, next to its rivals; ratios are taken within the round."""
    bytes_of = {
        one.name: pipeline.size_of(msgspec.structs.replace(one, recipients=sizes.checked), postgres)
        for one in {each.name: each for each in sizes.pipelines}.values()
    }
    size = bytes_of[sizes.pipelines[0].name]
    results: dict[str, list[Figures]] = {}
    for _ in range(sizes.rounds):
        source = measure_smtp_source(sizes.recipients, size)
        textbook = measure_textbook(sizes.textbook, sink_kind, postgres)
        for name, figures in (("smtp-source", source), ("textbook", textbook)):
            if figures is not None:
                results.setdefault(name, []).append(figures)
        for one in sizes.pipelines:
            figures = pipeline.measure(one, sink_kind, postgres)
            figures["x_textbook"] = figures["per_second"] / textbook["per_second"]
            if source is not None:
                figures["x_smtp_source"] = figures["per_second"] / source["per_second"]
            results.setdefault(one.key, []).append(figures)
            say(f"{one.key}: {figures['per_second']:.0f}/s")
    return {name: medians(runs) for name, runs in results.items()}


def say(what: str) -> None:
    """Tell a person who waits; standard output is the report's."""
    print(what, file=sys.stderr, flush=True)
