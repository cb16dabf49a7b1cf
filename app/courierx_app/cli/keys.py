"""`courierx keys`: API keys; the secret is shown once."""

from __future__ import annotations

from datetime import timedelta

import click

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, table
from courierx_core.access import service as access
from courierx_core.access.model import ApiKey, shown
from courierx_core.renewal import renew_secrets
from courierx_core.scopes import SCOPES


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys."""


@keys.command()
@click.option("--tenant", metavar="ID|NAME", help="The tenant it acts for; without one it is a platform key.")
@click.option("--name", default="", help="What it is for.")
@click.option("--scopes", default="", metavar="A,B", help=f"Some of: {', '.join(SCOPES)}; all by default.")
@click.option("--days", type=click.IntRange(1), help="How long it works; for ever by default.")
@json_option
def create(tenant: str | None, name: str, scopes: str, days: int | None, as_json: bool) -> None:
    """Create a key and print it: this is the only time that it can be seen."""
    wanted = tuple(scope.strip() for scope in scopes.split(",") if scope.strip())
    with courier() as made:
        tenant_id = tenant_named(made, tenant).id if tenant else None
        expires_at = made.runtime.now() + timedelta(days=days) if days else None
        key, text = access.create_key(
            made.store, tenant_id=tenant_id, name=name, scopes=wanted, expires_at=expires_at
        )
    _say(key, text, as_json)


@keys.command()
@click.argument("key_id", type=int)
@click.option("--tenant", metavar="ID|NAME", help="The tenant whose key it is.")
@click.option(
    "--overlap",
    type=click.IntRange(0, access.OVERLAP_MAX),
    default=access.OVERLAP_SECONDS,
    show_default=True,
    help="Seconds that the old key works on.",
)
@json_option
def rotate(key_id: int, tenant: str | None, overlap: int, as_json: bool) -> None:
    """Make a key that may do the same, and let the old one end."""
    with courier() as made:
        tenant_id = tenant_named(made, tenant).id if tenant else None
        key, text = access.rotate_key(
            made.store, key_id, tenant_id, overlap_seconds=overlap, now=made.runtime.now()
        )
    _say(key, text, as_json)


@keys.command("rotate-secret")
@json_option
def rotate_secret(as_json: bool) -> None:
    """Encrypt every stored secret under the newest COURIERX_SECRET_KEY.

    Put the new key before the old one first, and keep the old: links in sent mail need it.
    """
    with courier() as made:
        renewed = renew_secrets(made.store, made.secrets)
    if as_json:
        emit({"renewed": renewed})
    else:
        click.echo(f"{renewed:,} stored secrets are encrypted under the newest key.")


def _say(key: ApiKey, text: str, as_json: bool) -> None:
    if as_json:
        emit({**shown(key), "key": text})
    else:
        click.echo(text)


@keys.command("list")
@click.option("--tenant", metavar="ID|NAME", help="One tenant's keys; without one the platform's.")
@json_option
def list_(tenant: str | None, as_json: bool) -> None:
    """List keys, without their secrets."""
    with courier() as made:
        found = access.list_keys(made.store, tenant_named(made, tenant).id if tenant else None)
    if as_json:
        emit([shown(key) for key in found])
        return
    rows = [
        (
            key.id,
            key.name,
            ",".join(key.scopes) or "all",
            key.last_used_at,
            key.expires_at,
            "revoked" if key.revoked_at else "",
        )
        for key in found
    ]
    table(("ID", "NAME", "SCOPES", "LAST USED", "EXPIRES", ""), rows)


@keys.command()
@click.argument("key_id", type=int)
@click.option("--tenant", metavar="ID|NAME", help="The tenant whose key it is.")
def revoke(key_id: int, tenant: str | None) -> None:
    """Revoke a key; it stops working at once."""
    with courier() as made:
        access.revoke_key(made.store, key_id, tenant_named(made, tenant).id if tenant else None)
    click.echo(f"Key {key_id} is revoked.")
