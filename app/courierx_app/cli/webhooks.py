"""`courierx webhooks`: receivers that a tenant's events are told to, and how each telling went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import click

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, table, tenant_option
from courierx_core.webhooks.model import CallState, WebhookStatus

if TYPE_CHECKING:
    from courierx_core.courier import Courier
    from courierx_core.ports.store import UnitOfWork
    from courierx_core.webhooks.model import Call, Webhook
    from courierx_core.webhooks.service import NewWebhook

SHOWN = ("id", "url", "types", "description", "status", "disabled_reason", "failing_since", "created_at")
"""What is told of a receiver: everything but its secrets."""


@click.group()
def webhooks() -> None:
    """Tell your own systems what becomes of mail."""


@webhooks.command()
@click.argument("url")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="An event to tell; all by default.")
@click.option("--description", default="", help="What it is, for people.")
@tenant_option
@json_option
def add(url: str, types: tuple[str, ...], description: str, tenant: str | None, as_json: bool) -> None:
    """Add a receiver, and show its signing secret this once."""
    from courierx_core.webhooks import service

    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        new = service.create(made, unit, url, types=types, description=description)
    _with_secret(new, as_json)


@webhooks.command("list")
@tenant_option
@json_option
def list_(tenant: str | None, as_json: bool) -> None:
    """List the receivers of a tenant."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        found = unit.webhooks.list(limit=1000)
    if as_json:
        emit([_shown(each) for each in found])
    else:
        rows = [(each.id, each.status, each.url, each.disabled_reason or None) for each in found]
        table(("ID", "STATUS", "URL", "WHY"), rows)


@webhooks.command()
@click.argument("webhook_id", type=int)
@click.option("--state", type=click.Choice(get_args(CallState)), help="Only calls in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@tenant_option
@json_option
def log(webhook_id: int, state: CallState | None, limit: int, tenant: str | None, as_json: bool) -> None:
    """Show the newest calls, and what the last attempt at each met."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        unit.webhooks.get(webhook_id)
        found = unit.webhook_calls.list(webhook_id, state=state, limit=limit)
    if as_json:
        emit(found)
    else:
        rows = [
            (each.id, each.state, each.type, each.event_id, len(each.attempts), _met(each)) for each in found
        ]
        table(("CALL", "STATE", "TYPE", "EVENT", "TRIES", "LAST"), rows)


@webhooks.command()
@click.argument("webhook_id", type=int)
@tenant_option
def test(webhook_id: int, tenant: str | None) -> None:
    """Call a receiver with nothing but `webhook.test`."""
    from courierx_core.webhooks import service

    with _calling(tenant) as (_, unit):
        service.test(unit, webhook_id)
    click.echo(f"A worker calls webhook {webhook_id}; `courierx webhooks log {webhook_id}` shows the answer.")


@webhooks.command()
@click.argument("webhook_id", type=int)
@click.argument("event_id", type=int)
@tenant_option
def replay(webhook_id: int, event_id: int, tenant: str | None) -> None:
    """Tell a receiver of one event, again or for the first time."""
    from courierx_core.webhooks import service

    with _calling(tenant) as (_, unit):
        service.replay(unit, webhook_id, event_id)
    click.echo(f"A worker tells webhook {webhook_id} of event {event_id}, under the id that it had.")


@webhooks.command()
@click.argument("webhook_id", type=int)
@tenant_option
@json_option
def rotate(webhook_id: int, tenant: str | None, as_json: bool) -> None:
    """Make a new secret; for a day calls carry the signatures of both."""
    from courierx_core.webhooks import service

    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        new = service.rotate(made, unit, webhook_id)
    _with_secret(new, as_json)


@webhooks.command()
@click.argument("webhook_id", type=int)
@tenant_option
def enable(webhook_id: int, tenant: str | None) -> None:
    """Call a receiver again, with what waits for it."""
    _turn(webhook_id, tenant, "enabled")


@webhooks.command()
@click.argument("webhook_id", type=int)
@tenant_option
def disable(webhook_id: int, tenant: str | None) -> None:
    """Call a receiver no more; what waits for it is kept."""
    _turn(webhook_id, tenant, "disabled")


@webhooks.command()
@click.argument("webhook_id", type=int)
@tenant_option
def delete(webhook_id: int, tenant: str | None) -> None:
    """Delete a receiver and its log; what waits for it is not told."""
    from courierx_core.webhooks import service

    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        service.remove(unit, webhook_id)
    click.echo(f"Webhook {webhook_id} is deleted.")


@contextmanager
def _calling(tenant: str | None) -> Iterator[tuple[Courier, UnitOfWork]]:
    """Open a unit, and wake the workers that call receivers once it is committed."""
    from courierx_core.notify import notify

    with courier() as made:
        with made.store.begin(tenant_named(made, tenant).id) as unit:
            yield made, unit
        notify(made, "webhooks")


def _turn(webhook_id: int, tenant: str | None, status: WebhookStatus) -> None:
    from courierx_core.webhooks import service

    with _calling(tenant) as (made, unit):
        service.edit(made, unit, webhook_id, status=status)
    click.echo(f"Webhook {webhook_id} is {status}.")


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {name: getattr(webhook, name) for name in SHOWN}


def _with_secret(new: NewWebhook, as_json: bool) -> None:
    if as_json:
        emit({**_shown(new.webhook), "secret": new.secret.reveal()})
    else:
        click.echo(f"Webhook {new.webhook.id} calls {new.webhook.url}.")
        click.echo(f"Its signing secret, shown this once: {new.secret.reveal()}")


def _met(call: Call) -> str | None:
    if not call.attempts:
        return None
    last = call.attempts[-1]
    return str(last.status) if last.status else last.error
