"""`courierx plugins`: what is installed, chosen, disabled or broken, and why; in which order hooks ask."""

from __future__ import annotations

import click

from courierx_app.cli.opening import configuration
from courierx_app.cli.output import emit, json_option, table


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """Show every plugin, and the order in which hooks ask."""
    from courierx_app.container import hooks_of, listing
    from courierx_core.errors import PluginError
    from courierx_core.plugins import API

    made = configuration()
    found = listing(made)
    try:
        order, why = hooks_of(made.settings).order(), ""
    except PluginError as problem:
        order, why = {}, str(problem)
    if as_json:
        emit({"api": API, "plugins": found, "hooks": order, "problem": why})
        return
    table(
        ("GROUP", "NAME", "STATE", "FROM"),
        [(each.group, each.name, each.state, each.origin) for each in found],
    )
    for each in found:
        if each.why:
            click.echo(f"\n{each.name}: {each.why}")
    click.echo()
    for hook, names in order.items():
        click.echo(f"{hook}: {', '.join(names)}")
    if why:
        click.echo(why, err=True)
