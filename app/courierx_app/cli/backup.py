"""`courierx backup` and `courierx restore`: the database in a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from courierx_app.cli.opening import configuration

if TYPE_CHECKING:
    from courierx_core.courier import Courier


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write the whole database into FILE, as of one moment, while everything runs.

    SQLite's is a database of its own; PostgreSQL's is pg_dump's, in its custom format.
    """
    from courierx_core.upkeep import service as upkeep

    with _unopened() as made:
        upkeep.backup(made.store, file)
    click.echo(f"{file} holds the database. Keep the secret key with it, elsewhere: it is not in the file.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Fill the database, which must be empty, from FILE.

    It is brought up to this version's schema. Nothing that was open is sent before
    `courierx adopt`: it may have been sent since.
    """
    from courierx_core.upkeep import service as upkeep

    with _unopened() as made:
        upkeep.restore(made.store, file)
        revision = made.store.revision()
    click.echo(
        f"Restored, at revision {revision}. Look at it (`courierx status`), then run `courierx adopt`."
    )


@contextmanager
def _unopened() -> Iterator[Courier]:
    """Assemble the system, without making a schema where there is none."""
    from courierx_app.container import build

    made = build(configuration())
    try:
        yield made
    finally:
        made.close()
