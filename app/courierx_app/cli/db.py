"""`courierx db`: the schema, whether the rows tell the truth, and how long they are kept."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import click
import msgspec

from courierx_app.cli.opening import configuration, courier
from courierx_app.cli.output import emit, json_option
from courierx_core.suppression.model import PLATFORM_WIDE
from courierx_core.upkeep.model import DAYS_MIN


@click.group()
def db() -> None:
    """Upgrade, check, prune and copy the database."""


@db.command()
def upgrade() -> None:
    """Bring the schema to this version's; safe to repeat."""
    with courier(migrate=True) as made:
        click.echo(f"The database is at revision {made.store.revision()}.")


@db.command()
def current() -> None:
    """Print the schema's revision; `none` for an empty database."""
    from courierx_app.container import build

    made = build(configuration())
    try:
        click.echo(made.store.revision() or "none")
    finally:
        made.close()


@db.command()
@json_option
def check(as_json: bool) -> None:
    """Hold every tenant's rows against what must be true of them; status 1 where something is broken."""
    from courierx_core.upkeep import service as upkeep

    tenants, broken = 0, []
    with courier() as made:
        for tenant_id, found in upkeep.check(made.store):
            tenants += tenant_id != PLATFORM_WIDE
            broken += [{"tenant_id": tenant_id, **msgspec.to_builtins(each)} for each in found]
            if not as_json:
                for each in found:
                    some = ", ".join(map(str, each.examples))
                    click.echo(f"tenant {tenant_id}: {each.count} {each.what} ({each.invariant}): {some}")
    if as_json:
        emit({"tenants": tenants, "broken": broken})
    else:
        click.echo(f"{tenants} tenants checked, {len(broken)} things broken.")
    sys.exit(1 if broken else 0)


@db.command()
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(min=DAYS_MIN),
    metavar="DAYS",
    help="Since the message was completed; COURIERX_RETENTION_DAYS unless given.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@json_option
def prune(days: int | None, dry_run: bool, as_json: bool) -> None:
    """Remove imports, and deliveries and events of mail, that were over long ago, beside whatever runs.

    Campaigns keep their reports, and links in mail go on working. Single messages go whole. It works in
    short steps: stop it when you like, and run it again.
    """
    from courierx_core.ports.pruning import Gone
    from courierx_core.tenants.service import everyone
    from courierx_core.upkeep import pruning

    with courier() as made:
        days = days or made.policy.retention_days
        if not days:
            raise click.UsageError("Set COURIERX_RETENTION_DAYS, or say --older-than DAYS.")
        before = made.runtime.now() - timedelta(days=days)
        gone = Gone()
        for tenant in everyone(made.store):
            if dry_run:
                gone = gone.plus(pruning.weigh(made.store, tenant.id, before=before))
            else:
                for step in pruning.prune(made.store, tenant.id, before=before):
                    gone = gone.plus(step)
    if as_json:
        emit({"before": before, "dry_run": dry_run, **msgspec.to_builtins(gone)})
        return
    did = "Would remove" if dry_run else "Removed"
    click.echo(
        f"{did} {gone.deliveries:,} deliveries and {gone.events:,} events of {gone.campaigns:,} campaigns,"
        f" whose reports stay, {gone.messages:,} single messages and {gone.imports:,} imports."
    )


@db.command()
@click.option("--to", "url", required=True, metavar="URL", help="An empty database, as in DATABASE_URL.")
@json_option
def copy(url: str, as_json: bool) -> None:
    """Copy everything into an empty database: from SQLite to PostgreSQL, or back.

    Stop what runs first. Afterwards neither database sends before `courierx adopt` is run on one of them.
    """
    from courierx_app.container import build
    from courierx_app.settings import read
    from courierx_core.upkeep import service as upkeep

    into = read(Path.cwd(), {**os.environ, "DATABASE_URL": url})
    with courier() as made:
        target = build(into).store
        try:
            rows = {}
            for name, count in upkeep.move(made.store, target):
                rows[name] = count
                if count and not as_json:
                    click.echo(f"{count:>12,} {name.replace('_', ' ')}")
        finally:
            target.close()
    if as_json:
        emit({"rows": rows})
    else:
        click.echo("All is there. Set DATABASE_URL to it, and run `courierx db check` and `courierx adopt`.")
