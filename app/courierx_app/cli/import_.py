"""`courierx import`: everything at once from another system."""

from __future__ import annotations

import click

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, tenant_option
from courierx_core.errors import ConfigError


@click.group("import")
def import_() -> None:
    """Move from another system."""


@import_.command()
@click.argument("dsn", envvar="LISTMONK_DSN")
@click.option("--update", is_flag=True, help="Merge names and attributes into people who are known already.")
@tenant_option
@json_option
def listmonk(dsn: str, update: bool, tenant: str | None, as_json: bool) -> None:
    """Take over the people, lists and stops of a listmonk, and keep its unsubscribe links working.

    DSN is its PostgreSQL, which is only read: postgresql://user:password@host/listmonk, or the variable
    LISTMONK_DSN. Run it as often as you like: who is in is recognised.
    """
    try:
        from courierx_app.listmonk import move
    except ImportError as missing:
        raise ConfigError(f"{missing}; install it with: pip install 'courierx[postgres]'") from missing
    from courierx_app.cli.progress import Progress

    shown = Progress(quiet=as_json)
    with courier() as made:
        moved = move(made, tenant_named(made, tenant).id, dsn, update=update, progress=shown.rows)
    shown.done()
    if as_json:
        emit(moved)
        return
    counts = moved.counts
    click.echo(
        f"{moved.lists:,} lists; {counts.imported:,} people imported, {counts.updated:,} updated, "
        f"{counts.skipped:,} skipped, {counts.bad:,} bad; {moved.suppressed:,} of them get no mailings."
    )
    for why in moved.errors[:20]:
        click.echo(f"  {why}", err=True)
    if len(moved.errors) > 20:
        click.echo(f"  and {counts.bad - 20:,} more", err=True)
