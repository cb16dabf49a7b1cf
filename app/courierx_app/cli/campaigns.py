"""`courierx campaigns`: the same actions as the API's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, states, table, tenant_option
from courierx_core.courier import Courier
from courierx_core.errors import NotFound


@click.group()
def campaigns() -> None:
    """Start, pause, cancel and report campaigns."""


@campaigns.command("list")
@tenant_option
@json_option
def list_(tenant: str | None, as_json: bool) -> None:
    """List a tenant's campaigns, newest first."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        found = unit.campaigns.list(limit=1000)
    if as_json:
        emit(found)
    else:
        table(("ID", "NAME", "SUBJECT", "STATUS"), [(c.id, c.name, c.subject, c.status) for c in found])


@campaigns.command()
@click.argument("campaign_id", type=int)
@json_option
def show(campaign_id: int, as_json: bool) -> None:
    """Show a campaign and where its deliveries are."""
    with courier() as made, made.store.begin(owner(made, campaign_id), write=False) as unit:
        found = unit.campaigns.get(campaign_id)
        counts = unit.deliveries.totals(found.message_id) if found.message_id else {}
    if as_json:
        emit({"campaign": found, "states": counts})
        return
    reason = f" ({found.pause_reason})" if found.pause_reason else ""
    click.echo(f"{found.id} {found.name}: {found.status}{reason}")
    click.echo(f"Subject: {found.subject}")
    click.echo(f"Deliveries: {states(counts)}")


@campaigns.command()
@click.argument("campaign_id", type=int)
@json_option
def why(campaign_id: int, as_json: bool) -> None:
    """Say how far a campaign is, and what it waits for."""
    from courierx_core.campaigns.progress import progress

    with courier() as made:
        tenant_id = owner(made, campaign_id)
        with made.store.begin(tenant_id, write=False) as unit:
            found = unit.campaigns.get(campaign_id)
        far = progress(made, tenant_id, campaign_id)
    if as_json:
        emit({"id": campaign_id, "status": found.status, "pause_reason": found.pause_reason, "progress": far})
        return
    reason = f": {found.pause_reason}" if found.pause_reason else ""
    click.echo(f"Campaign {campaign_id} is {found.status}{reason}.")
    if far.audience:
        eta = f", until about {far.eta:%Y-%m-%d %H:%M} UTC" if far.eta else ""
        speed = f" at {far.rate_per_second:,}/s{eta}" if far.rate_per_second else ""
        click.echo(f"{far.done:,} of {far.audience:,} done, {far.in_flight:,} under way{speed}.")
    for each in far.waiting_for:
        since = f" (since {each.since:%Y-%m-%d %H:%M:%S} UTC)" if each.since else ""
        click.echo(f"  {each.code}: {each.detail}{since}. {each.remedy}")


@campaigns.command()
@click.argument("campaign_id", type=int)
@json_option
def start(campaign_id: int, as_json: bool) -> None:
    """Start sending a campaign."""
    from courierx_core.campaigns import service

    with courier() as made:
        started = service.start(made, owner(made, campaign_id), campaign_id)
    if as_json:
        emit({"id": campaign_id, "status": started.campaign.status, "audience": started.audience})
    else:
        click.echo(f"Campaign {campaign_id} goes to {started.audience:,} people.")


def _action(name: str, text: str) -> None:
    """Add a command that moves a campaign by the use case of the same name."""

    @campaigns.command(name, help=text)
    @click.argument("campaign_id", type=int)
    @json_option
    def command(campaign_id: int, as_json: bool) -> None:
        from courierx_core.campaigns import service

        act: Callable[..., Any] = getattr(service, name)
        with courier() as made:
            moved = act(made, owner(made, campaign_id), campaign_id)
        if as_json:
            emit({"id": campaign_id, "status": moved.status})
        else:
            click.echo(f"Campaign {campaign_id} is {moved.status}.")


_action("pause", "Stop sending; what is under way is finished.")
_action("resume", "Go on sending.")
_action("cancel", "Stop for good; what is not sent yet is cancelled.")


@campaigns.command()
@click.argument("campaign_id", type=int)
@click.option(
    "--only", multiple=True, metavar="STATE", help="Only those whose delivery ended so; repeatable."
)
@click.option("--name", default="", help="The copy's name.")
@json_option
def clone(campaign_id: int, only: tuple[str, ...], name: str, as_json: bool) -> None:
    """Make a draft with the same content, for all or for whom it failed."""
    from courierx_core.campaigns import service
    from courierx_core.delivery.service import known_states

    with courier() as made:
        draft = service.clone(made, owner(made, campaign_id), campaign_id, only=known_states(only), name=name)
    if as_json:
        emit({"id": draft.id, "status": draft.status})
    else:
        click.echo(f"Campaign {draft.id} {draft.name!r} is a draft.")


@campaigns.command()
@click.argument("campaign_id", type=int)
@click.option("--to", "to", multiple=True, required=True, metavar="ADDRESS", help="Whom to; repeatable.")
@click.option("--subscriber", type=int, help="As which subscriber would get it; else one of the audience.")
@json_option
def test(campaign_id: int, to: tuple[str, ...], subscriber: int | None, as_json: bool) -> None:
    """Send a campaign as it is now to a few addresses; its audience and report stay as they are."""
    from courierx_core.campaigns.preview import send_test
    from courierx_core.mail.address import split_address

    with courier() as made:
        people = [split_address(each, "--to") for each in to]
        sent = send_test(made, owner(made, campaign_id), campaign_id, people, subscriber_id=subscriber)
    if as_json:
        emit({"id": campaign_id, "message_id": sent.message.id, "warnings": sent.warnings})
        return
    click.echo(f"Message {sent.message.id} goes to {len(sent.deliveries)} as a test.")
    for warning in sent.warnings:
        click.echo(f"  {warning}", err=True)


@campaigns.command()
@click.argument("campaign_id", type=int)
@json_option
def report(campaign_id: int, as_json: bool) -> None:
    """Report what became of every delivery, where and when."""
    from courierx_core.campaigns.report import full_report

    with courier() as made, made.store.begin(owner(made, campaign_id), write=False) as unit:
        found = full_report(unit, campaign_id)
    if as_json:
        emit(found)
        return
    click.echo(f"Campaign {campaign_id} is {found.status}; audience {found.audience:,}.")
    for state, count in sorted(found.states.items(), key=lambda pair: -pair[1]):
        click.echo(f"  {state:<12} {count:>10,}")
    for rate, part in found.rates.items():
        click.echo(f"  {rate + ' rate':<18} {part:>9.2%}")
    if found.bounces:
        click.echo(f"Bounces: {states(found.bounces)}.")
    for domain in found.domains:
        click.echo(f"  {domain.domain}: {states(domain.states)}")
    for link in found.links:
        click.echo(f"  {link.people:,} people clicked {link.url}")


def owner(made: Courier, campaign_id: int) -> int:
    """Return the tenant a campaign belongs to. Raises NotFound."""
    with made.store.platform() as platform:
        tenant_id = platform.owner_of("campaigns", campaign_id)
    if tenant_id is None:
        raise NotFound(f"There is no campaign {campaign_id}; `courierx campaigns list` shows them.")
    return tenant_id
