"""`courierx domains`: what tenants send from, and what has to be published for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, table, tenant_option
from courierx_core.courier import Courier
from courierx_core.domains import service
from courierx_core.domains.keys import new_keys
from courierx_core.domains.model import DnsRecord, SenderDomain
from courierx_core.errors import NotFound
from courierx_core.ports.store import UnitOfWork


@click.group()
def domains() -> None:
    """Add, verify and rotate the keys of sender domains."""


@domains.command()
@click.argument("domain")
@tenant_option
@json_option
def add(domain: str, tenant: str | None, as_json: bool) -> None:
    """Add DOMAIN with keys of its own, and show what to publish."""
    new = new_keys()
    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        show(made, service.add(made, unit, domain, new), as_json=as_json)


@domains.command("list")
@tenant_option
@json_option
def list_(tenant: str | None, as_json: bool) -> None:
    """List a tenant's domains, newest first."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        found = unit.domains.list(limit=1000)
        if as_json:
            emit([answer(made, each) for each in found])
            return
    rows = [(each.domain, each.status, each.verified_by, each.checked_at) for each in found]
    table(("DOMAIN", "STATUS", "BY", "CHECKED"), rows)


@domains.command()
@click.argument("domain")
@tenant_option
@json_option
def records(domain: str, tenant: str | None, as_json: bool) -> None:
    """Show what to publish for DOMAIN, and what was found when it was last looked up."""
    with courier() as made, of_domain(made, domain, tenant) as (_unit, found):
        show(made, found, as_json=as_json)


@domains.command()
@click.argument("domain")
@tenant_option
@json_option
def verify(domain: str, tenant: str | None, as_json: bool) -> None:
    """Look DOMAIN up now; exits with 1 while it is not verified."""
    with courier() as made:
        with of_domain(made, domain, tenant) as (_unit, found):
            pass
        found = service.verify(made, found.tenant_id, found.id)
        show(made, found, as_json=as_json)
    if found.status != "verified":
        raise click.exceptions.Exit(1)


@domains.command()
@click.argument("domain")
@tenant_option
@json_option
def rotate(domain: str, tenant: str | None, as_json: bool) -> None:
    """Make new keys for DOMAIN; they sign once they are published."""
    new = new_keys()
    with courier() as made, of_domain(made, domain, tenant) as (unit, found):
        show(made, service.rotate(made, unit, found.id, new), as_json=as_json)


@domains.command()
@click.argument("domain")
@tenant_option
def remove(domain: str, tenant: str | None) -> None:
    """Delete DOMAIN and its keys."""
    with courier() as made, of_domain(made, domain, tenant) as (unit, found):
        service.remove(unit, found.id)
    click.echo(f"{found.domain} is removed; mail from it is no longer signed.")


@contextmanager
def of_domain(made: Courier, name: str, tenant: str | None) -> Iterator[tuple[UnitOfWork, SenderDomain]]:
    """Open a unit of the tenant, with its domain of that name. Raises NotFound."""
    name = service.read_name(name)
    with made.store.begin(tenant_named(made, tenant).id) as unit:
        found = unit.domains.named(name)
        if found is None:
            raise NotFound(f"There is no sender domain {name}; `courierx domains list` shows them.")
        yield unit, found


def answer(made: Courier, domain: SenderDomain) -> dict[str, object]:
    """Return what `--json` prints: everything but the keys."""
    shown = {name: getattr(domain, name) for name in ("id", "tenant_id", "domain", "status", "verified_by")}
    return {**shown, "records": msgspec.to_builtins(service.records(made, domain))}


def show(made: Courier, domain: SenderDomain, *, as_json: bool) -> None:
    if as_json:
        emit(answer(made, domain))
        return
    by = f" by {domain.verified_by}" if domain.verified_by else ""
    click.echo(f"{domain.domain} is {domain.status}{by}.")
    for record in service.records(made, domain):
        need = "" if record.required else ", advised"
        click.echo(f"\n{record.kind}{need}: {word(record)}")
        click.echo(f"  {record.name}  {record.type}\n  {record.expected}")
        for found in () if record.ok else record.found:
            click.echo(f"  found: {found}")
        if record.why:
            click.echo(f"  {record.why}")


def word(record: DnsRecord) -> str:
    return {True: "found", False: "missing or wrong", None: "not known"}[record.ok]
