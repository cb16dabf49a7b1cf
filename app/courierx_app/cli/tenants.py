"""`courierx tenants`: who owns everything else."""

from __future__ import annotations

import click

from courierx_app.cli.opening import courier
from courierx_app.cli.output import emit, json_option, table
from courierx_core.tenants.service import create


@click.group()
def tenants() -> None:
    """Add and list tenants."""


@tenants.command()
@click.argument("name")
@click.option("--email", required=True, metavar="ADDRESS", help="Whom to write to about the tenant.")
@click.option("--default-from", default="", metavar="ADDRESS", help="The From of campaigns that name none.")
@json_option
def add(name: str, email: str, default_from: str, as_json: bool) -> None:
    """Add a tenant."""
    with courier() as made:
        tenant = create(made.store, name=name, contact_email=email, default_from=default_from)
    if as_json:
        emit(tenant)
    else:
        click.echo(f"Tenant {tenant.id} is {tenant.name}.")


@tenants.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the tenants, newest first."""
    with courier() as made, made.store.platform() as unit:
        found = unit.tenants.list(limit=1000)
    if as_json:
        emit(found)
    else:
        table(("ID", "NAME", "CONTACT"), [(each.id, each.name, each.contact_email) for each in found])
