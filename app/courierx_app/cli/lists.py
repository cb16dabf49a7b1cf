"""`courierx lists`: named sets of people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from courierx_app.cli.opening import courier, tenant_named
from courierx_app.cli.output import emit, json_option, table, tenant_option

if TYPE_CHECKING:
    from courierx_core.audience.model import MailingList


@click.group()
def lists() -> None:
    """Make, rename and delete lists."""


@lists.command("list")
@tenant_option
@json_option
def list_(tenant: str | None, as_json: bool) -> None:
    """List the newest 1,000 lists of a tenant, each with how many are subscribed."""
    with courier() as made, made.store.begin(tenant_named(made, tenant).id, write=False) as unit:
        found = unit.lists.list(limit=1000)
        sizes = unit.lists.sizes([each.id for each in found])
    if as_json:
        emit([{"id": each.id, "name": each.name, "subscribers": sizes.get(each.id, 0)} for each in found])
    else:
        rows = [(each.id, f"{sizes.get(each.id, 0):,}", each.name) for each in found]
        table(("ID", "SUBSCRIBED", "NAME"), rows)


@lists.command()
@click.argument("name")
@click.option("--public", is_flag=True, help="Show it to people, where they choose what they get.")
@click.option("--description", default="", help="What people read about it there.")
@tenant_option
@json_option
def create(name: str, public: bool, description: str, tenant: str | None, as_json: bool) -> None:
    """Make an empty list."""
    from courierx_core.audience import lists

    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        _tell(lists.create(unit, name, public=public, description=description), as_json)


@lists.command()
@click.argument("list_id", type=int)
@click.argument("name")
@tenant_option
@json_option
def rename(list_id: int, name: str, tenant: str | None, as_json: bool) -> None:
    """Give a list another name."""
    from courierx_core.audience import lists

    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        _tell(lists.edit(unit, list_id, name=name), as_json)


@lists.command()
@click.argument("list_id", type=int)
@tenant_option
def delete(list_id: int, tenant: str | None) -> None:
    """Delete a list, not its people."""
    from courierx_core.audience import lists

    with courier() as made, made.store.begin(tenant_named(made, tenant).id) as unit:
        lists.remove(unit, list_id)
    click.echo(f"List {list_id} is deleted.")


def _tell(mailing_list: MailingList, as_json: bool) -> None:
    if as_json:
        emit(mailing_list)
    else:
        click.echo(f"List {mailing_list.id} is {mailing_list.name}.")
