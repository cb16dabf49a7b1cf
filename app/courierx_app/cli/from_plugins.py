"""Commands that plugins bring (`courierx_register_commands`)."""

from __future__ import annotations

import os
from pathlib import Path

import click

from courierx_core.errors import CourierXError


def register(cli: click.Group) -> None:
    """Let every enabled plugin add its commands; a broken one costs its own commands, not the others."""
    from courierx_app.container import hooks_of
    from courierx_app.settings import read

    try:
        settings = read(Path.cwd(), os.environ).settings
        hooks = hooks_of(settings)
    except CourierXError as problem:
        click.echo(f"courierx: commands of plugins are left out: {problem}", err=True)
        return
    hooks.ask("courierx_register_commands", cli=cli)
    for why in hooks.quarantined.values():
        click.echo(f"courierx: {why}", err=True)
