"""`courierx tenants`: who owns everything else."""

from __future__ import annotations

from collections.abc import Mapping

import click

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, table
from courierx_core.errors import InvalidInput
from courierx_core.quotas import service as quotas
from courierx_core.quotas.model import PERIODS, Period
from courierx_core.tenants.service import create, edit, weigh


@click.group()
def tenants() -> None:
    """Add and list tenants, and say how much each may send and whose turn it is."""


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


@tenants.command("weigh")
@click.argument("tenant")
@click.argument("weight", type=int)
def weigh_(tenant: str, weight: int) -> None:
    """Give a tenant its share of turns, 1 to 100: what goes out of its mail for one of a tenant with 1."""
    with courier() as made:
        found = weigh(made.store, tenant_named(made, tenant).id, weight)
    click.echo(f"Tenant {found.id}, {found.name}, has the weight {found.weight}.")


@tenants.command("transport")
@click.argument("tenant")
@click.argument("name")
def transport_(tenant: str, name: str) -> None:
    """Send TENANT's mail over NAME, a transport or a route, where a campaign names nothing; '' is the
    default."""
    with courier() as made:
        found = tenant_named(made, tenant)
        with made.store.platform() as unit:
            edit(made, unit, found.id, transport=name)
    click.echo(f"Mail of tenant {found.id}, {found.name}, goes over {name or 'the default transport'}.")


@tenants.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the tenants, newest first."""
    with courier() as made, made.store.platform() as unit:
        found = unit.tenants.list(limit=1000)
    if as_json:
        emit(found)
    else:
        table(
            ("ID", "NAME", "CONTACT", "WEIGHT"),
            [(each.id, each.name, each.contact_email, each.weight) for each in found],
        )


@tenants.command()
@click.argument("tenant")
@click.option("--hour", metavar="N|none", help="Attempts in an hour; none lifts the quota.")
@click.option("--day", metavar="N|none", help="Attempts in a day (UTC).")
@click.option("--month", metavar="N|none", help="Attempts in a month (UTC).")
@json_option
def quota(tenant: str, hour: str | None, day: str | None, month: str | None, as_json: bool) -> None:
    """Show how much TENANT (an id or a name) may send and has sent, or set it."""
    given: Mapping[Period, str | None] = {"hour": hour, "day": day, "month": month}
    allowed = {period: _allowed(period, given[period]) for period in PERIODS if given[period] is not None}
    with courier() as made:
        found = tenant_named(made, tenant)
        with made.store.begin(found.id, write=bool(allowed)) as unit:
            shown = quotas.change(unit, allowed) if allowed else unit.quotas.list()
    if as_json:
        emit(shown)
    elif shown:
        rows = [(each.period, f"{each.used:,}", f"{each.allowed:,}", each.resets_at) for each in shown]
        table(("PERIOD", "USED", "ALLOWED", "RESETS"), rows)
    else:
        click.echo(f"{found.name} has no quota.")


def _allowed(period: Period, text: str | None) -> int | None:
    if text == "none":
        return None
    if text is None or not (text.isascii() and text.isdigit()):
        raise InvalidInput.of(f"--{period}", "invalid", f"takes a number or none, not {text!r}")
    return int(text)
