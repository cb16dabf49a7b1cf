"""`courierx config`: every setting, its value (secrets hidden) and where it comes from."""

from __future__ import annotations

import click

from courierx_app.cli.opening import configuration
from courierx_app.cli.output import emit, json_option, table


@click.group()
def config() -> None:
    """Show and check the settings."""


@config.command()
@json_option
def show(as_json: bool) -> None:
    """Show every setting, with secrets hidden, and its source."""
    from courierx_app.origins import origins

    found = origins(configuration())
    if as_json:
        emit(found)
    else:
        table(("SETTING", "VALUE", "FROM"), [(each.name, each.value, each.source) for each in found])


@config.command()
def check() -> None:
    """Check every setting, the drivers' too, without starting anything."""
    from courierx_app.container import chosen, default_transport, hooks_of
    from courierx_app.secret_key import require_key

    made = configuration()
    drivers = chosen(made)
    hooks_of(made.settings)
    require_key(made.settings, made.folder)
    click.echo(f"The settings are good: {len(drivers)} drivers, default transport "
               f"{default_transport(made) or 'none'}.")  # fmt: skip
