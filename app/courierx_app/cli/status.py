"""`courierx status`: workers, campaigns under way, and why they wait."""

from __future__ import annotations

import click

from courierx_app.cli.opening import courier
from courierx_app.cli.output import emit, json_option, states, table


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show what is running and what is on its way."""
    from courierx_core import adoption
    from courierx_core.campaigns.model import BUSY

    campaigns = []
    with courier() as made:
        adopt = adoption.needed(made.store, made.runtime, made.policy)
        with made.store.platform() as platform:
            workers = platform.workers()
            tenants = list(platform.tenants.list(limit=1000))
        for tenant in tenants:
            with made.store.begin(tenant.id, write=False) as unit:
                for each in unit.campaigns.list(limit=1000, statuses=BUSY):
                    counts = unit.deliveries.totals(each.message_id) if each.message_id else {}
                    campaigns.append((tenant, each, counts))
        transports = sorted(made.transports)
        answer = {
            "environment": made.runtime.environment,
            "revision": made.store.revision(),
            "store": type(made.store).__name__,
            "transports": transports,
            "default_transport": made.policy.default_transport,
            "workers": workers,
            "needs_adoption": adopt,
            "tenants": len(tenants),
            "campaigns": [
                {
                    "id": each.id,
                    "tenant_id": tenant.id,
                    "name": each.name,
                    "status": each.status,
                    "reason": each.pause_reason,
                    "states": counts,
                }
                for tenant, each, counts in campaigns
            ],
        }
    if as_json:
        emit(answer)
        return
    click.echo(f"Workers: {workers}. Tenants: {len(tenants)}. Transports: {', '.join(transports) or 'none'}.")
    if campaigns:
        rows = [
            (each.id, tenant.name, each.name, each.status, states(counts), each.pause_reason)
            for tenant, each, counts in campaigns
        ]
        table(("ID", "TENANT", "CAMPAIGN", "STATUS", "DELIVERIES", "WHY"), rows)
    if adopt:
        click.echo(f"Nothing is sent: {adopt}. {adoption.WAY_ON}", err=True)
    elif not workers and any(each.status in ("preparing", "sending") for _, each, _ in campaigns):
        click.echo("Nobody sends: start `courierx worker` or `courierx serve`.", err=True)
