"""The store postgresql keeps the contracts as it is deployed, and what is its own: its plans, its outages."""

from __future__ import annotations

from typing import Any

import pytest

from courierx_core.errors import StoreError
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.store import Store
from courierx_core.testing.ledger import LedgerContract
from courierx_core.testing.store import StoreContract
from courierx_sql.postgresql import PostgresStore
from tests.servers import APP, Postgres


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def store(self, postgresql_store: Store[Any]) -> Store[Any]:
        return postgresql_store


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def store(self, postgresql_store: Store[Any]) -> Store[Any]:
        return postgresql_store


def test_a_statement_that_runs_too_long_is_ended(postgres: Postgres, migrated: str) -> None:
    config = PostgresStore.Config(url=Secret(postgres.url(migrated, APP)), statement_seconds=0.2)
    store = PostgresStore("postgresql", config, Runtime())
    try:
        with pytest.raises(StoreError, match="statement timeout"), store.above_tenants(write=False) as unit:
            unit.exec_driver_sql("SELECT pg_sleep(60)")
        with store.connect() as ledgers:
            told = ledgers.execute("SHOW statement_timeout").fetchone()
        assert told == ("0",)
    finally:
        store.close()
