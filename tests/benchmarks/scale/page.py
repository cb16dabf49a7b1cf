"""The page docs/reference/scale.md: what more processes bring, and what runs out first."""

from __future__ import annotations

from tests.benchmarks.figures import Figures, Part
from tests.benchmarks.report import Run
from tests.benchmarks.scale.bars import bars
from tests.benchmarks.tables import bars_table, made, table, tables

NOTE = """
Made by `nox -s bench -- --part scale --write`; `--old 100000` makes the past shorter. Everything is on one
machine, so worker processes, PostgreSQL and the server that takes the mail share its processors. Figures are
medians of the rounds, ratios are taken within one round. Each run is held against the server that took the
mail, and each claim against the others: a message that is lost or a row that is claimed twice fails it.
""".strip()
RESOURCES = {
    "each_worker": "one core a worker process",
    "sink": "the one core of the server that takes the mail",
    "machine": "the machine's processors",
    "wal_fsync": "PostgreSQL's log, waiting for the disk",
    "connections": "PostgreSQL's connections",
}
"""Figure -> what it is the used share of."""
WORKERS = """
`cores` are processors kept busy on average. Then the share that was used of each thing that can run out: a
worker is one thread of Python, and so is the server that takes the mail; the machine's processors count
everything that ran on it, of which `other work` was neither ours nor the sink's: where it is large, a rate
says little. What has the largest share stops the next message.
""".strip()


def page(run: Run) -> str:
    counted = {name: figures for name, figures in run.figures.items() if "each_worker" in figures}
    others = {name: figures for name, figures in run.figures.items() if name not in counted}
    return (
        "\n\n".join(
            [
                "# Scale",
                NOTE,
                made(run),
                "## The bars",
                *bars_table(bars(run.figures)),
                "## More workers",
                WORKERS,
                workers(counted),
                "## Ratios, rates, claims beside old mail",
                *tables(others),
            ]
        )
        + "\n"
    )


def workers(counted: Part) -> str:
    """Name the resource of which each number of workers used the largest share."""
    cores = ("worker_cores", "database_cores", "sink_cores")
    head = [
        "",
        "per second",
        *(name.replace("_", " ") for name in cores),
        *RESOURCES,
        "other work",
        "runs out first",
    ]
    rows = [
        [
            name,
            f"{figures['per_second']:,g}",
            *(f"{figures[each]:g}" for each in cores),
            *(f"{figures[each]:.0%}" for each in (*RESOURCES, "other_work")),
            first(figures),
        ]
        for name, figures in counted.items()
    ]
    return table([each.replace("_", " ") for each in head], rows)


def first(figures: Figures) -> str:
    """Say which resource is the first to run out."""
    return RESOURCES[max(RESOURCES, key=lambda name: figures[name])]
