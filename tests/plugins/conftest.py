"""Fixtures of the stores. Their drivers are imported where used: an adapter is tested with its own alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.store import Store

if TYPE_CHECKING:
    from courierx_sql.postgresql import PostgresStore
    from tests.servers import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The run's PostgreSQL, with the template of a migrated database."""
    from tests.servers import shared_postgres

    with shared_postgres(os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"run-{os.getpid()}") as server:
        yield server


@pytest.fixture
def migrated(postgres: Postgres) -> Iterator[str]:
    """The name of a migrated database of the test's own."""
    from tests.servers import TEMPLATE

    with postgres.database(template=TEMPLATE) as name:
        yield name


@pytest.fixture
def postgresql_store(postgres: Postgres, migrated: str) -> Iterator[PostgresStore]:
    """A store as it is deployed: its login is a member of courierx_app and owns nothing."""
    from courierx_sql.postgresql import PostgresStore
    from tests.servers import APP

    config = PostgresStore.Config(url=Secret(postgres.url(migrated, APP)), pool_size=3)
    store = PostgresStore("postgresql", config, Runtime())
    yield store
    store.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    from courierx_sql.sqlite import SqliteStore

    config = SqliteStore.Config(url=f"sqlite:///{tmp_path}/courierx.db")
    store = SqliteStore("sqlite", config, Runtime(folder=tmp_path))
    store.upgrade()
    yield store
    store.close()
