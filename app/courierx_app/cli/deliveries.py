"""`courierx deliveries`: look at deliveries, and settle what nobody can know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from courierx_app.cli.exporting import export_options, write_export
from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, table, tenant_option

if TYPE_CHECKING:
    from courierx_core.exports.service import Form


@click.group()
def deliveries() -> None:
    """List deliveries, and send chosen ones again."""


@deliveries.command("list")
@click.option("--state", help="Only those in this state, such as uncertain.")
@click.option("--message", "message_id", type=int, help="Only those of this message.")
@click.option("--address", help="Only those to this address.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@tenant_option
@json_option
def list_(
    state: str | None,
    message_id: int | None,
    address: str | None,
    limit: int,
    tenant: str | None,
    as_json: bool,
) -> None:
    """List a tenant's deliveries, newest first."""
    from courierx_core.delivery.service import known_states

    wanted = known_states([state])[0] if state else None
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        found = unit.deliveries.list(message_id=message_id, state=wanted, address=address, limit=limit)
    if as_json:
        emit(found)
    else:
        rows = [(d.id, d.message_id, d.address, d.state, d.reason or d.reply) for d in found]
        table(("ID", "MESSAGE", "TO", "STATE", "WHY"), rows)


@deliveries.command()
@click.argument("delivery_ids", type=int, nargs=-1, required=True)
@tenant_option
@json_option
def resend(delivery_ids: tuple[int, ...], tenant: str | None, as_json: bool) -> None:
    """Queue exactly these uncertain or failed deliveries again."""
    from courierx_core.delivery import service

    with courier() as made:
        moved = service.resend(made, tenant_named(made, tenant).id, delivery_ids)
    if as_json:
        emit({"queued": list(moved)})
    else:
        click.echo(f"{len(moved):,} queued again.")


@deliveries.command()
@click.option("--message", "message_id", type=int, help="Only those of this message.")
@click.option("--address", help="Only those to this address.")
@export_options
@tenant_option
def export(
    message_id: int | None, address: str | None, form: Form, output: Path | None, tenant: str | None
) -> None:
    """Write the log of what became of each delivery, as CSV or as JSON lines."""
    from courierx_core.exports import service

    with courier() as made:
        asked = service.email_logs(message_id=message_id, address=address)
        write_export(made, tenant_named(made, tenant).id, asked, form, output)
