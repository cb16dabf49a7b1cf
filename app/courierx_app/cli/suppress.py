"""`courierx suppress`: addresses that get no mail, whatever a campaign says."""

from __future__ import annotations

from pathlib import Path

import click

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, tenant_option
from courierx_core import suppression


@click.group()
def suppress() -> None:
    """Manage the addresses that get no mail."""


@suppress.command()
@click.argument("address")
@click.option("--reason", default="", help="Any text to 255 characters; the cause is derived from it.")
@tenant_option
@json_option
def add(address: str, reason: str, tenant: str | None, as_json: bool) -> None:
    """Suppress an address."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        added = suppression.suppress(unit, address, reason)
    if as_json:
        emit(added)
    else:
        click.echo(f"{added.address} gets no more mail ({added.cause}).")


@suppress.command()
@click.argument("address")
@tenant_option
def remove(address: str, tenant: str | None) -> None:
    """Let an address get mail again."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        suppression.unsuppress(unit, address)
    click.echo(f"{address} may get mail again.")


@suppress.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reason", default="imported")
@tenant_option
@json_option
def import_(file: Path, reason: str, tenant: str | None, as_json: bool) -> None:
    """Suppress every address of a file, one a line or the first column of a CSV."""
    with courier() as made, file.open("rb") as stream:
        tenant_id = tenant_named(made, tenant).id
        report = suppression.import_addresses(made.store, tenant_id, stream, reason=reason)
    if as_json:
        emit(report)
        return
    click.echo(f"{report.added:,} added, {report.known:,} known already, {len(report.errors):,} refused.")
    for problem in report.errors[:20]:
        click.echo(f"  line {problem.line}: {problem.reason}", err=True)
