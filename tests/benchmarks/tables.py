"""What every page of measurements is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.benchmarks.bars import Bar
from tests.benchmarks.figures import Figures, Part
from tests.benchmarks.report import Run


def made(run: Run) -> str:
    """Say how a part was measured."""
    machine = run.machine
    return (
        f"`{run.command}` on {machine.date}, {run.rounds} rounds: {machine.cores} cores "
        f"({machine.processor}), {machine.memory_gb} GB, {machine.system}, Python {machine.python}, "
        f"PostgreSQL {machine.postgresql}, mail to {machine.sink}, load average {machine.load} before it "
        "began."
    )


def bars_table(judged: Sequence[Bar]) -> tuple[str, str]:
    return _missed(judged), table(("what", "bar", "figure", "reached"), map(_bar, judged))


def _missed(bars: Sequence[Bar]) -> str:
    missed = [bar.what for bar in bars if bar.reached is False]
    unknown = [bar.what for bar in bars if bar.reached is None]
    said = [f"Not reached: {'; '.join(missed)}." if missed else "Every bar that was measured is reached."]
    if unknown:
        said.append(f"Not measured in this run: {'; '.join(unknown)}.")
    return " ".join(said)


def _bar(bar: Bar) -> tuple[str, ...]:
    reached = {True: "yes", False: "**no**", None: "not measured"}[bar.reached]
    return bar.what, f"{bar.kind} {bar.bar:g}", "" if bar.figure is None else f"{bar.figure:g}", reached


def tables(part: Part) -> Iterable[str]:
    """Put the rows with the same columns into one table."""
    groups: dict[tuple[str, ...], list[tuple[str, Figures]]] = {}
    for name, figures in part.items():
        groups.setdefault(tuple(figures), []).append((name, figures))
    for columns, rows in groups.items():
        yield table(
            ("", *(column.replace("_", " ") for column in columns)),
            ((name, *(f"{figures[column]:,g}" for column in columns)) for name, figures in rows),
        )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
