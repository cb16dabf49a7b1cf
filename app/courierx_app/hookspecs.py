"""The application's hooks, beside the core's. Mark implementations `optionalhook=True`: the core alone
does not know them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from courierx_core.hooks import hookspec

if TYPE_CHECKING:
    import click
    from litestar.types import ControllerRouterHandler


@hookspec
def courierx_register_routes() -> Sequence[ControllerRouterHandler]:
    """Add routes to the HTTP API; each says in `opt` which key it needs (`courierx_app.api.scopes`)."""
    raise NotImplementedError


@hookspec
def courierx_register_commands(cli: click.Group) -> None:
    """Add commands to `courierx`; asked only for `--help` and for names that CourierX itself lacks."""
