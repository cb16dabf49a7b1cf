"""`courierx adopt`: a person says that this database may send from here."""

from __future__ import annotations

import click

from courierx_app.cli.opening import courier
from courierx_app.cli.output import emit, json_option


@click.command()
@click.option("--cancel-open", is_flag=True, help="Cancel what is open instead of sending it.")
@json_option
def adopt(cancel_open: bool, as_json: bool) -> None:
    """Let a database send here that was restored, copied, or without a worker for long.

    Until then whatever was open in it is held. Look at it first: `courierx status`.
    """
    from courierx_core import adoption

    with courier() as made:
        settled = adoption.adopt(made, cancel_open=cancel_open)
    if as_json:
        emit({"cancelled" if cancel_open else "released": settled})
    else:
        done = "cancelled" if cancel_open else "let go on"
        click.echo(f"This database sends here now; {settled:,} campaigns and messages were {done}.")
