"""`courierx transports`: what mail goes over, what is paused, and the word that lets it go on."""

from __future__ import annotations

import sys
import tomllib
from typing import BinaryIO

import click

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, table
from courierx_core.errors import InvalidInput


@click.group()
def transports() -> None:
    """Show, check, pause and resume transports, and give tenants their own."""


@transports.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the transports of this folder, and what is paused, with the far side's words."""
    from courierx_core.transports import service

    with courier() as made:
        found = service.standing(made)
    if as_json:
        emit(found)
        return
    table(("NAME", "STATE", "WHY"), [(each.name, each.state, each.reason) for each in found])
    for each in found:
        if (day := each.warm_day) is not None:
            click.echo(
                f"{each.name} is warmed up: {day.used:,} of {day.allowed:,} today;"
                f" receivers objected to {day.objected:,} of {day.answered:,}."
            )
    for each in found:
        if each.recovered:
            click.echo(f"{each.name} looks well again: courierx transports resume {each.name}")


@transports.command("routes")
@json_option
def routes_(as_json: bool) -> None:
    """List the routes: who shares the mail of each by weight, who has it otherwise, and who is paused."""
    from courierx_core.transports import service

    with courier() as made:
        found = service.routes(made)
        words = made.routes
    if as_json:
        emit(found)
    else:
        rows = [(each.name, words[each.name], ", ".join(each.paused)) for each in found]
        table(("NAME", "GOES OVER", "PAUSED"), rows)


@transports.command()
@click.argument("name")
@json_option
def check(name: str, as_json: bool) -> None:
    """Ask the far side of the transport NAME what is wrong; status 1 where something is."""
    from courierx_core.transports import service

    with courier() as made:
        found = service.check(made, name)
    if as_json:
        emit(found)
    else:
        for each in found:
            click.echo(f"{each.level}: {each.text} {each.remedy}".rstrip())
        click.echo(f"{name}: {len(found)} to tell." if found else f"{name} is well.")
    sys.exit(1 if any(each.level == "error" for each in found) else 0)


@transports.command()
@click.argument("name")
@click.option("--reason", default="paused by hand", show_default=True, help="What the list will say.")
def pause(name: str, reason: str) -> None:
    """Let nothing go over the transport NAME until it is resumed; what waits for it is kept."""
    from courierx_core.transports import service

    with courier() as made:
        service.required(made, name)
        new = service.pause(made, name, reason)
    click.echo(f"{name} is paused." if new else f"{name} was paused already.")


@transports.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let mail go over the transport NAME again, within a minute."""
    from courierx_core.transports import service

    with courier() as made:
        was = service.resume(made, name)
    click.echo(f"{name} goes on." if was else f"{name} was not paused.")


@transports.command("own")
@click.argument("tenant")
@json_option
def own_(tenant: str, as_json: bool) -> None:
    """List the transports that are TENANT's own (an id or a name)."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        found = unit.own_transports.list()
    if as_json:
        emit(found)
    else:
        table(("NAME", "DRIVER", "CHANGED"), [(each.name, each.driver, each.updated_at) for each in found])


@transports.command()
@click.argument("tenant")
@click.argument("name")
@click.argument("driver")
@click.argument("settings", type=click.File("rb"), default="-")
def give(tenant: str, name: str, driver: str, settings: BinaryIO) -> None:
    """Give TENANT a transport of its own called NAME, or change it.

    SETTINGS is a file of what the DRIVER's table in courierx.toml would hold, such as `url = "smtp://..."`;
    where it is left out, that is read from the standard input, so that no password is on a command line.
    """
    from courierx_core.transports import own_service

    try:
        table_ = tomllib.loads(settings.read().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InvalidInput.of("SETTINGS", "invalid", f"is no TOML: {problem}") from None
    with courier() as made:
        found = tenant_named(made, tenant)
        with made.store.begin(found.id) as unit:
            own_service.give(made, unit, name, driver, table_)
    click.echo(f"Tenant {found.id}, {found.name}, has a transport {name} of its own.")


@transports.command()
@click.argument("tenant")
@click.argument("name")
def take(tenant: str, name: str) -> None:
    """Take the transport NAME of TENANT's own away; what is on its way over it pauses."""
    from courierx_core.transports import own_service

    with courier() as made:
        found = tenant_named(made, tenant)
        with made.store.begin(found.id) as unit:
            own_service.take_away(unit, name)
    click.echo(f"Tenant {found.id}, {found.name}, has no transport {name} any more.")
