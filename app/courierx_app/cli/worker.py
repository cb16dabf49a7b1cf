"""`courierx worker`: sends, schedules and sweeps until it is told to stop."""

from __future__ import annotations

import click

from courierx_app.cli.opening import courier
from courierx_app.cli.stopping import stop_on_signals


@click.command()
@click.option("--name", default="", help="Its name in leases and `status`; host and process by default.")
def worker(name: str) -> None:
    """Run a worker until SIGTERM or Ctrl-C; what is under way is finished first."""
    from courierx_app.logs import configure
    from courierx_app.parent import follow_parent
    from courierx_core.worker import Worker

    configure()
    stop = stop_on_signals()
    follow_parent()
    with courier() as made:
        Worker(made, name).run(stop)
