"""`courierx doctor`: everything that is wrong or worth knowing, with what mends it."""

from __future__ import annotations

import sys

import click

from courierx_app.cli.opening import configuration
from courierx_app.cli.output import emit, json_option

_SIGNS = {"error": "error  ", "warning": "warning", "info": "ok     "}


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check the settings, every driver and the plugins; exit 1 where something is wrong."""
    from courierx_app.checkup import checkup

    found = checkup(configuration())
    broken = any(problem.level == "error" for problem in found)
    if as_json:
        emit({"ok": not broken, "problems": found})
    else:
        for problem in found:
            remedy = f" {problem.remedy}" if problem.remedy else ""
            click.echo(f"{_SIGNS[problem.level]} {problem.code}: {problem.text}{remedy}")
        click.echo("Something must be mended." if broken else "This installation is well.")
    sys.exit(1 if broken else 0)
