"""`courierx segments`: people by a saved condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, table, tenant_option

if TYPE_CHECKING:
    from courierx_core.audience.model import Segment


@click.group()
def segments() -> None:
    """Save, count and remove segments."""


@segments.command("list")
@tenant_option
@json_option
def list_(tenant: str | None, as_json: bool) -> None:
    """List the newest 1,000 segments of a tenant."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        found = unit.segments.list(limit=1000)
    if as_json:
        emit(found)
    else:
        table(("ID", "NAME"), [(each.id, each.name) for each in found])


@segments.command()
@click.argument("segment_id", type=int)
@tenant_option
def show(segment_id: int, tenant: str | None) -> None:
    """Print a segment and its tree as JSON."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        emit(unit.segments.get(segment_id))


@segments.command()
@click.argument("name")
@click.argument("file", type=click.File("rb"))
@tenant_option
@json_option
def add(name: str, file: BinaryIO, tenant: str | None, as_json: bool) -> None:
    """Save the tree in a JSON FILE (- for standard input) under a NAME."""
    from courierx_core.audience import segments

    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        _tell(segments.create(unit, name, _read(file)), as_json)


@segments.command()
@click.argument("segment_id", type=int)
@click.option("--name", help="Another name for it.")
@click.option("--file", type=click.File("rb"), help="A JSON file with the tree to take from now on.")
@tenant_option
@json_option
def edit(segment_id: int, name: str | None, file: BinaryIO | None, tenant: str | None, as_json: bool) -> None:
    """Rename a segment, or replace its tree; a campaign that has started keeps the one it began with."""
    from courierx_core.audience import segments

    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        definition = _read(file) if file is not None else None
        _tell(segments.edit(unit, segment_id, name, definition), as_json)


@segments.command()
@click.argument("segment_id", type=int, required=False)
@click.option("--file", type=click.File("rb"), help="A JSON file with a tree that is not saved.")
@tenant_option
@json_option
def count(segment_id: int | None, file: BinaryIO | None, tenant: str | None, as_json: bool) -> None:
    """Count who is in a segment now, or whom a tree finds before it is saved."""
    from courierx_core.audience import segments

    if (segment_id is None) is (file is None):
        raise click.UsageError("give a segment's id, or a tree with --file")
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        if segment_id is not None:
            tree = unit.segments.get(segment_id).definition
        else:
            assert file is not None
            tree = segments.understood(unit, _read(file))
        found = segments.count(unit, tree, made.runtime.now())
    if as_json:
        emit({"count": found})
    else:
        click.echo(f"{found:,} people.")


@segments.command()
@click.argument("segment_id", type=int)
@tenant_option
def remove(segment_id: int, tenant: str | None) -> None:
    """Remove a segment, not its people."""
    from courierx_core.audience import segments

    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        segments.remove(unit, segment_id)
    click.echo(f"Segment {segment_id} is removed.")


def _read(file: BinaryIO) -> object:
    """Decode a JSON file. Raises InvalidInput."""
    import msgspec

    from courierx_core.errors import InvalidInput

    try:
        found: object = msgspec.json.decode(file.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise InvalidInput.of("FILE", "malformed", f"{file.name} is not JSON: {problem}") from None
    return found


def _tell(segment: Segment, as_json: bool) -> None:
    if as_json:
        emit(segment)
    else:
        click.echo(f"Segment {segment.id} is {segment.name}.")
