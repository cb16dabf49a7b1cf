"""What commands print: one JSON object with `--json`, else words and plain tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
import msgspec

W = TypeVar("W", bound=str)
F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Add `--json`, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def tenant_option(command: F) -> F:
    """Add `--tenant`, which may be left out where there is only one."""
    return click.option("--tenant", metavar="ID|NAME", help="The tenant; the only one by default.")(command)


def emit(answer: object) -> None:
    """Print one line of JSON."""
    click.echo(msgspec.json.encode(answer).decode())


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns under headings."""
    texts = [[str(cell) if cell is not None else "-" for cell in row] for row in rows]
    widths = [max(len(line[at]) for line in [list(headings), *texts]) for at in range(len(headings))]
    for line in [list(headings), *texts]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def states(counts: Mapping[W, int]) -> str:
    """Say counts by state in one line, the most first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count:,} {state}" for state, count in ordered if count) or "nothing yet"
