"""`courierx transports`: what mail goes over, what is paused, and the word that lets it go on."""

from __future__ import annotations

import click

from courierx_app.cli.opening import courier
from courierx_app.cli.output import emit, json_option, table


@click.group()
def transports() -> None:
    """Show transports, pause and resume them."""


@transports.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the transports of this folder, and what is paused, with the far side's words."""
    from courierx_core.transports import service

    with courier() as made:
        stopped = service.paused(made)
        names = sorted({*made.transports, *stopped})
        well = {name: service.recovered(made, name) for name in names if name in stopped}
    found = [
        {
            "name": name,
            "state": "paused" if name in stopped else "running",
            "reason": stopped[name].reason if name in stopped else "",
            "since": stopped[name].since if name in stopped else None,
            "recovered": well.get(name),
        }
        for name in names
    ]
    if as_json:
        emit(found)
        return
    table(("NAME", "STATE", "WHY"), [(each["name"], each["state"], each["reason"]) for each in found])
    for name in stopped:
        if well[name]:
            click.echo(f"{name} looks well again: courierx transports resume {name}")


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
