"""`courierx plugin new`: begin a plugin. It needs no settings and no database."""

from __future__ import annotations

from pathlib import Path

import click

KINDS = ("transport", "feedback", "queue", "limiter", "resolver", "store", "hooks")
"""Those of `courierx_app.scaffold`, which is imported when it is needed."""
_FOLDER = click.Path(path_type=Path)


@click.group()
def plugin() -> None:
    """Begin a plugin of your own."""


@plugin.command()
@click.argument("name")
@click.option("--into", type=_FOLDER, help="The folder to make.  [default: courierx-NAME]")
@click.option("--kind", type=click.Choice(KINDS), default="transport", show_default=True,
              help="What it plugs in.")  # fmt: skip
def new(name: str, into: Path | None, kind: str) -> None:
    """Write a distribution that works, with tests that pass; change it from there."""
    from courierx_app.scaffold import write

    folder = into or Path(f"courierx-{name}")
    for file in write(name, folder, kind):
        click.echo(str(file))
    click.echo(f"\nNext: cd {folder} && pip install -e '.[test]' && pytest")
