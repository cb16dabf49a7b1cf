"""`--seeds N`: how many seeds each fault is tried with; `seed` is one of them. `site` is an install of
each set-up; `sites` makes one for a server of the test's own. `--setups all` runs every fault on PostgreSQL
with RQ too; without it only those marked `queue` are."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from courierx_core.ports.driver import Runtime
from courierx_core.testing.dialogue import ServerOptions
from courierx_core.testing.script import Rule
from courierx_core.testing.smtp import SmtpServer
from courierx_sql.sqlite import SqliteStore
from tests.faults.site import Setup, Site, StoreName
from tests.plugins.conftest import migrated, postgres
from tests.servers import APP, Postgres
from tests.valkey import RedisServer, private_redis

__all__ = ["migrated", "postgres"]

SETUPS: tuple[Setup, ...] = ("sqlite", "postgresql")
PACE_SECONDS = 0.05
"""What the server takes to answer a message, so that kills land: with 4 connections 80 messages/s."""
PACED = Rule(stage="dot", action=f"delay {PACE_SECONDS}")

Sites = Callable[..., Site]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=1, help="how many seeds each fault is tried with")
    parser.addoption("--setups", choices=("some", "all"), default="some", help="all: every fault with RQ too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "queue: a fault that the queue takes part in, so always with RQ too")
    config.addinivalue_line("markers", "postgresql: a fault of PostgreSQL, so never on SQLite")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--seeds")))
    chosen = any("setup" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "setup" in metafunc.fixturenames and not chosen:
        queue = metafunc.definition.get_closest_marker("queue") is not None
        every = queue or metafunc.config.getoption("--setups") == "all"
        alone = metafunc.definition.get_closest_marker("postgresql") is not None
        usual = SETUPS[1:] if alone else SETUPS
        metafunc.parametrize("setup", [*usual, "postgresql+rq"] if every else usual, indirect=True)


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """With more than one seed the numbers are those of LEDGER section 3; with one they fit in CI."""
    return bool(request.config.getoption("--seeds") > 1)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Seeded by the test's seed and nothing else."""
    seed = request.node.callspec.params.get("seed", 0) if hasattr(request.node, "callspec") else 0
    return random.Random(seed)


@pytest.fixture
def setup(request: pytest.FixtureRequest) -> Setup:
    name: Setup = request.param
    return name


@pytest.fixture
def store_name(setup: Setup) -> StoreName:
    return "sqlite" if setup == "sqlite" else "postgresql"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis that the test may flush, kill and hang."""
    with private_redis() as server:
        yield server


@pytest.fixture
def queue(request: pytest.FixtureRequest, setup: Setup) -> Mapping[str, str]:
    """The settings of the set-up's queue and limiter; none for the embedded ones."""
    if setup != "postgresql+rq":
        return {}
    redis: RedisServer = request.getfixturevalue("redis")
    return {"COURIERX_QUEUE": "rq", "COURIERX_LIMITER": "redis", "REDIS_URL": redis.url}


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, made once and copied by every test."""
    path = tmp_path_factory.mktemp("database") / "courierx.db"
    store = SqliteStore("sqlite", SqliteStore.Config(url=f"sqlite:///{path}"), Runtime())
    store.upgrade()
    store.close()
    return path


@pytest.fixture
def sites(
    request: pytest.FixtureRequest, store_name: StoreName, queue: Mapping[str, str], tmp_path: Path
) -> Iterator[Sites]:
    """Make the install of `setup` with `rules` for its server: `sites(*rules, options=..., NAME="value")`."""
    with ExitStack() as stack:

        def make(*rules: Rule, options: ServerOptions | None = None, **environ: str) -> Site:
            server = stack.enter_context(SmtpServer(options, rules=rules))
            if store_name == "sqlite":
                path = shutil.copy(request.getfixturevalue("empty_database"), tmp_path / "courierx.db")
                url, address = f"sqlite:///{path}", str(path)
            else:
                found: Postgres = request.getfixturevalue("postgres")
                name = request.getfixturevalue("migrated")
                url, address = found.url(name, APP), found.url(name)
            site = Site(tmp_path, server, store_name, url, address, **queue, **environ)
            stack.callback(site.close)
            return site

        yield make


@pytest.fixture
def site(sites: Sites) -> Site:
    """An install whose server takes its time."""
    return sites(PACED)
