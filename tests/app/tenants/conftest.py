"""The application on each store, with two tenants in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from courierx_app.asgi import create_app
from courierx_app.container import build
from courierx_app.settings import read
from tests.app.tenants.world import World
from tests.plugins.conftest import migrated, postgres

__all__ = ["migrated", "postgres"]


@pytest.fixture
def world_on(tmp_path: Path) -> Iterator[Callable[[str], World]]:
    """Fill a migrated database's URL with two tenants."""
    with ExitStack() as stack:

        def fill(url: str) -> World:
            configuration = read(tmp_path, {"DATABASE_URL": url, "COURIERX_PUBLIC_URL": "https://m.example"})
            courier = build(configuration)
            app = create_app(courier, configuration.settings)
            return World(courier, stack.enter_context(TestClient(app, raise_server_exceptions=False)))

        yield fill


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, world_on: Callable[[str], World]) -> World:
    from tests.servers import APP

    if request.param == "sqlite":
        return world_on(request.getfixturevalue("environ")["DATABASE_URL"])
    server: Any = request.getfixturevalue("postgres")
    return world_on(server.url(request.getfixturevalue("migrated"), APP))
