"""What every `export` command takes, and where its lines go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from courierx_core.courier import Courier
    from courierx_core.exports.service import Export, Form

F = TypeVar("F", bound=Callable[..., Any])


def export_options(command: F) -> F:
    """Add `--format`, as the argument `form`, and `--output`."""
    output = click.Path(dir_okay=False, path_type=Path)
    command = click.option("--output", type=output, help="The file; standard output by default.")(command)
    forms = click.Choice(["csv", "jsonl"])
    return click.option("--format", "form", type=forms, default="csv", show_default=True)(command)


def write_export(made: Courier, tenant_id: int, export: Export[Any], form: Form, output: Path | None) -> None:
    """Write it; a file that exists is replaced."""
    from courierx_core.exports.service import write

    lines = write(made.store, tenant_id, export, form)
    with click.open_file(str(output or "-"), "wb") as file:
        for some in lines:
            file.write(some)
