"""The application's own hooks: routes and commands that a plugin brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner
from litestar import Litestar, get
from litestar.testing import TestClient

from courierx_app import hookspecs
from courierx_app.api.scopes import ANY_KEY, PUBLIC
from courierx_app.asgi import create_app
from courierx_app.cli.lazy import LazyGroup
from courierx_app.settings import Configuration
from courierx_core.courier import Courier
from courierx_core.hooks import Hooks, hookimpl
from courierx_core.plugins import register


@get("/pigeons", opt=ANY_KEY, sync_to_thread=False)
def pigeons() -> list[str]:
    return ["coo"]


@get("/coop", sync_to_thread=False, opt=PUBLIC)
def coop() -> str:
    return "open"


class Plugin:
    @hookimpl(optionalhook=True)
    def courierx_register_routes(self) -> Sequence[Any]:
        return [pigeons, coop]

    @hookimpl(optionalhook=True)
    def courierx_register_commands(self, cli: click.Group) -> None:
        @cli.command()
        def coo() -> None:
            """Say what pigeons say."""
            click.echo("coo")


@pytest.fixture
def hooks() -> Hooks:
    return register([("pigeon", Plugin())], specs=[hookspecs])


def test_a_plugins_route_needs_a_key_unless_it_says_otherwise(
    courier: Courier, configuration: Configuration, hooks: Hooks
) -> None:
    app: Litestar = create_app(msgspec.structs.replace(courier, hooks=hooks), configuration.settings)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/pigeons").status_code == 401
        assert client.get("/coop").status_code == 200


def test_a_plugins_command_is_listed_and_runs(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("courierx_app.container.hooks_of", lambda settings: hooks)
    cli = LazyGroup("courierx", table={}, asks_plugins=True)
    listed = CliRunner().invoke(cli, ["--help"])
    assert "Say what pigeons say." in listed.output
    assert CliRunner().invoke(cli, ["coo"]).output == "coo\n"
