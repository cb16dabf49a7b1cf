"""`courierx worker`: sends, schedules and sweeps until it is told to stop."""

from __future__ import annotations

import sys

import click

from courierx_app.cli.opening import configuration, courier
from courierx_app.cli.stopping import stop_on_signals


@click.command()
@click.option("--name", default="", help="Its name in leases and `status`; host and process by default.")
@click.option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 256),
    help="So many workers, each a process of its own that is started again when it dies.",
)
def worker(name: str, processes: int) -> None:
    """Run a worker until SIGTERM or Ctrl-C; what is under way is finished first."""
    from courierx_app.logs import configure
    from courierx_app.parent import follow_parent
    from courierx_core.worker import Worker

    configure(configuration().settings)
    if processes > 1:
        from courierx_app.supervisor import supervise_workers

        # What is wrong is said once, and an empty database is brought up to date by one process.
        with courier(acts=False):
            pass
        sys.exit(supervise_workers(processes, name))
    stop = stop_on_signals()
    follow_parent()
    with courier(acts=False) as made:
        Worker(made, name).run(stop)
