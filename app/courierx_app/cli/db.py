"""`courierx db`: the schema, and whether the counters tell the truth."""

from __future__ import annotations

import sys

import click

from courierx_app.cli.opening import configuration, courier
from courierx_app.cli.output import emit, json_option


@click.group()
def db() -> None:
    """Upgrade and check the database."""


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
    """Recount every campaign's deliveries and hold them against its report."""
    wrong, checked = [], 0
    with courier() as made:
        with made.store.platform() as platform:
            tenants = [tenant.id for tenant in platform.tenants.list(limit=1000)]
        for tenant_id in tenants:
            with made.store.begin(tenant_id, write=False) as unit:
                for campaign in unit.campaigns.list(limit=1000):
                    if campaign.message_id is None:
                        continue
                    checked += 1
                    shown = unit.deliveries.totals(campaign.message_id)
                    counted = unit.deliveries.recount(campaign.message_id)
                    if shown != counted:
                        wrong.append({"campaign_id": campaign.id, "shown": shown, "counted": counted})
    if as_json:
        emit({"campaigns": checked, "wrong": wrong})
    else:
        click.echo(f"{checked} campaigns counted, {len(wrong)} wrong.")
        for each in wrong:
            click.echo(f"  campaign {each['campaign_id']}: shown {each['shown']}, counted {each['counted']}")
    sys.exit(1 if wrong else 0)
