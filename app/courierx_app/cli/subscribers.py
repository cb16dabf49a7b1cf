"""`courierx subscribers`: people from a file, into one, and out of everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from courierx_app.cli.exporting import export_options, write_export
from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, tenant_option

if TYPE_CHECKING:
    from courierx_core.audience.model import SubscriberStatus
    from courierx_core.exports.service import Form


@click.group()
def subscribers() -> None:
    """Import, export and erase subscribers."""


@subscribers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--update", is_flag=True, help="Merge names and attributes into people who are known already.")
@click.option("--list", "list_id", type=int, help="Also put them on this list.")
@click.option(
    "--map",
    "meanings",
    multiple=True,
    metavar="HEADER=NAME",
    help="What a column means: email, first_name, last_name or an attribute. May be given again.",
)
@tenant_option
@json_option
def import_(
    file: Path,
    update: bool,
    list_id: int | None,
    meanings: tuple[str, ...],
    tenant: str | None,
    as_json: bool,
) -> None:
    """Import a CSV file or an .xlsx workbook with an `email` column; other columns become names and
    attributes."""
    from courierx_core.imports.model import Options
    from courierx_core.imports.steps import import_csv
    from courierx_core.imports.workbook import table_of

    odd = [each for each in meanings if "=" not in each]
    if odd:
        raise click.UsageError(f"--map takes HEADER=NAME, not {odd[0]!r}")
    mapping = {header: meaning for header, _, meaning in (each.rpartition("=") for each in meanings)}
    options = Options(update=update, list_id=list_id, mapping=mapping)
    with courier() as made, file.open("rb") as stream, table_of(stream) as table:
        report = import_csv(made, tenant_named(made, tenant).id, table, options)
    if as_json:
        emit(report)
        return
    click.echo(f"{report.imported:,} imported, {report.updated:,} updated, {report.skipped:,} skipped.")
    for problem in report.errors[:20]:
        click.echo(f"  line {problem.line}: {problem.email}: {problem.reason}", err=True)
    if len(report.errors) > 20:
        click.echo(f"  and {len(report.errors) - 20:,} more", err=True)


@subscribers.command()
@click.option("--status", type=click.Choice(["active", "unsubscribed", "bounced", "complained"]))
@click.option("--list", "list_id", type=int, help="Only those subscribed to this list.")
@export_options
@tenant_option
def export(
    status: SubscriberStatus | None, list_id: int | None, form: Form, output: Path | None, tenant: str | None
) -> None:
    """Write people as CSV, with a column for each attribute, or as JSON lines."""
    from courierx_core.exports import service

    with courier() as made:
        tenant_id = tenant_named(made, tenant).id
        if list_id is not None:
            with made.store.begin(tenant_id, write=False) as unit:
                unit.lists.get(list_id)
        write_export(made, tenant_id, service.subscribers(status=status, list_id=list_id), form, output)


@subscribers.command()
@click.argument("address")
@tenant_option
@json_option
def erase(address: str, tenant: str | None, as_json: bool) -> None:
    """Take a person out of everything a tenant has, for good: the person, mail, opens, clicks, errors of
    imports. What stays is a keyed hash that keeps them off, and the counts of reports."""
    from courierx_core.erasure.service import erase as erase_person

    with courier() as made:
        done = erase_person(made, tenant_named(made, tenant).id, address)
    if as_json:
        emit(done)
    else:
        click.echo(
            f"Erased: {done.subscribers} subscriber, {done.deliveries:,} deliveries, {done.events:,} events,"
            f" {done.messages:,} messages. No import brings them back."
        )
