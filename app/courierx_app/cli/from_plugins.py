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
        calls = hooks_of(settings).calls("courierx_register_commands")
    except CourierXError as problem:
        click.echo(f"courierx: commands of plugins are left out: {problem}", err=True)
        return
    for call in calls:
        call(cli=cli)
