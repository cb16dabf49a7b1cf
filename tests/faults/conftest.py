"""`--seeds N`: how many seeds each fault is tried with; `seed` is one of them. `site` is an install on
each store; `sites` makes one for a server of the test's own."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from courierx_core.ports.driver import Runtime
from courierx_core.testing.script import Rule
from courierx_core.testing.smtp import SmtpServer
from courierx_core.testing.smtpd import ServerOptions
from courierx_sql.sqlite import SqliteStore
from tests.faults.site import Site, StoreName
from tests.plugins.conftest import migrated, postgres
from tests.servers import APP, Postgres

__all__ = ["migrated", "postgres"]

STORES: tuple[StoreName, ...] = ("sqlite", "postgresql")
PACE_SECONDS = 0.05
"""What the server takes to answer a message, so that kills land: with 4 connections 80 messages/s."""
PACED = Rule(stage="dot", action=f"delay {PACE_SECONDS}")

Sites = Callable[..., Site]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=1, help="how many seeds each fault is tried with")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--seeds")))


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """With more than one seed the numbers are those of LEDGER section 3; with one they fit in CI."""
    return bool(request.config.getoption("--seeds") > 1)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Seeded by the test's seed and nothing else."""
    seed = request.node.callspec.params.get("seed", 0) if hasattr(request.node, "callspec") else 0
    return random.Random(seed)


@pytest.fixture(params=STORES)
def store_name(request: pytest.FixtureRequest) -> StoreName:
    name: StoreName = request.param
    return name


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, made once and copied by every test."""
    path = tmp_path_factory.mktemp("database") / "courierx.db"
    store = SqliteStore("sqlite", SqliteStore.Config(url=f"sqlite:///{path}"), Runtime())
    store.upgrade()
    store.close()
    return path


@pytest.fixture
def sites(request: pytest.FixtureRequest, store_name: StoreName, tmp_path: Path) -> Iterator[Sites]:
    """Make the install on `store_name` with `rules` for its server: `sites(*rules, options=...)`."""
    with ExitStack() as stack:

        def make(*rules: Rule, options: ServerOptions | None = None) -> Site:
            server = stack.enter_context(SmtpServer(options, rules=rules))
            if store_name == "sqlite":
                path = shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "courierx.db")
                url, address = f"sqlite:///{path}", str(path)
            else:
                found: Postgres = request.getfixturevalue("postgres")
                name = request.getfixturevalue("migrated")
                url, address = found.url(name, APP), found.url(name)
            site = Site(tmp_path, server, store_name, url, address)
            stack.callback(site.close)
            return site

        yield make


@pytest.fixture
def site(sites: Sites) -> Site:
    """An install whose server takes its time."""
    return sites(PACED)
