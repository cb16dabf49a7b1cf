"""`courierx transports`: what mail goes over, what is paused, and the word that lets it go on."""

from __future__ import annotations

import sys

import click

from courierx_app.cli.opening import courier
from courierx_app.cli.output import emit, json_option, table


@click.group()
def transports() -> None:
    """Show, check, pause and resume transports."""


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
