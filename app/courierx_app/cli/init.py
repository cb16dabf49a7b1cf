"""`courierx init`: a folder that is ready to serve."""

from __future__ import annotations

from pathlib import Path

import click

from courierx_app.cli.opening import courier

EXAMPLE = """\
# CourierX's settings; .env and the environment win over this file. `courierx config show` lists them all.
# environment = "production"
# public_url = "https://mail.example.com"
# database_url = "postgresql://user:password@host/courierx"

# Each table is a transport: a driver, its settings and its rates. COURIERX_TRANSPORT names the default.
# [transports.smtp]
# url = "smtp://user:password@mail.example.com:587"
# per_second = 10

# A route shares mail between transports, by weight, and says what carries it where none of them can.
# [routes.main]
# transports = { smtp = 1 }
# failover = ["backup"]
"""


@click.command()
def init() -> None:
    """Write courierx.toml, a key file (0600) and the database, where they are not there yet."""
    from courierx_app import secret_key, settings

    path = Path.cwd() / settings.FILE
    if not path.exists():
        path.write_text(EXAMPLE, "utf-8")
        click.echo(f"{settings.FILE} is written.")
    had_key = (Path.cwd() / secret_key.FILE).exists()
    with courier(migrate=True) as made:
        click.echo(f"The database is at revision {made.store.revision()}.")
    if not had_key and (Path.cwd() / secret_key.FILE).exists():
        click.echo(f"{secret_key.FILE} is written: back it up, links in sent mail need it.")
    click.echo("Next: `courierx serve --dev`, or `courierx tenants add NAME --email ADDRESS`.")
