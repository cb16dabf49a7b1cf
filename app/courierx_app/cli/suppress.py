"""`courierx suppress`: addresses that get no mail, whatever a campaign says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from courierx_app.cli.exporting import export_options, write_export
from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, tenant_option
from courierx_core.courier import Courier
from courierx_core.suppression import service as suppression
from courierx_core.suppression.model import PLATFORM_WIDE

if TYPE_CHECKING:
    from courierx_core.exports.service import Form

everyone_option = click.option("--everyone", is_flag=True, help="For all tenants of this installation.")


def owner(made: Courier, tenant: str | None, everyone: bool) -> int:
    """Return whose list is meant: a tenant's, or the platform's."""
    if everyone and tenant:
        raise click.UsageError("--tenant and --everyone are two lists; choose one")
    return PLATFORM_WIDE if everyone else tenant_named(made, tenant).id


@click.group()
def suppress() -> None:
    """Manage the addresses that get no mail."""


@suppress.command()
@click.argument("address")
@click.option("--reason", default="", help="Any text to 255 characters; the cause is derived from it.")
@tenant_option
@everyone_option
@json_option
def add(address: str, reason: str, tenant: str | None, everyone: bool, as_json: bool) -> None:
    """Suppress an address, or with @DOMAIN everybody there."""
    with courier() as made, made.store.begin(owner(made, tenant, everyone)) as unit:
        added = suppression.suppress(unit, address, reason)
    if as_json:
        emit(added)
    else:
        click.echo(f"{added.address} gets no more mail ({added.cause}).")


@suppress.command()
@click.argument("address")
@tenant_option
@everyone_option
def remove(address: str, tenant: str | None, everyone: bool) -> None:
    """Let an address get mail again."""
    with courier() as made, made.store.begin(owner(made, tenant, everyone)) as unit:
        suppression.unsuppress(made, unit, address)
    click.echo(f"{address} may get mail again.")


@suppress.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reason", default="imported", show_default=True, help="For lines that give none.")
@tenant_option
@everyone_option
@json_option
def import_(file: Path, reason: str, tenant: str | None, everyone: bool, as_json: bool) -> None:
    """Suppress every address of a file: one a line, or a CSV file or .xlsx workbook with an `email` column
    and perhaps `reason`, `cause` and `expires_at`."""
    from courierx_core.imports.model import Options
    from courierx_core.imports.steps import import_csv
    from courierx_core.imports.workbook import table_of

    with courier() as made, file.open("rb") as stream, table_of(stream) as table:
        tenant_id = owner(made, tenant, everyone)
        report = import_csv(made, tenant_id, table, Options(reason=reason), kind="suppression")
    if as_json:
        emit(report)
        return
    click.echo(f"{report.imported:,} added, {report.skipped:,} known already, {report.bad:,} refused.")
    for problem in report.errors[:20]:
        click.echo(f"  line {problem.line}: {problem.email}: {problem.reason}", err=True)


@suppress.command()
@export_options
@tenant_option
@everyone_option
def export(form: Form, output: Path | None, tenant: str | None, everyone: bool) -> None:
    """Write who gets no mail, and why, as CSV or as JSON lines."""
    from courierx_core.exports import service

    with courier() as made:
        write_export(made, owner(made, tenant, everyone), service.suppressions(), form, output)
