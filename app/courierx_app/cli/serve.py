"""`courierx serve`: the API and a worker, each a process of its own."""

from __future__ import annotations

import sys

import click

from courierx_app.cli.opening import configuration


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option("--dev", is_flag=True, help="Answer without a key; on loopback only.")
@click.option("--no-worker", is_flag=True, help="Only the API; run `courierx worker` elsewhere.")
def serve(host: str, port: int, dev: bool, no_worker: bool) -> None:
    """Run the API and a worker; in an empty folder everything they need is made first."""
    from courierx_app.supervisor import prepare, supervise

    made = configuration()
    listener = prepare(made, host=host, port=port, dev=dev, say=click.echo)
    sys.exit(supervise(listener, dev=dev, worker=not no_worker))
