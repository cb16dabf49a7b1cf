"""The store postgresql keeps the contracts as it is deployed, and what is its own: its plans, its outages."""

from __future__ import annotations

from typing import Any

import pytest

from courierx_core.ports.store import Store
from courierx_core.testing.ledger import LedgerContract
from courierx_core.testing.store import StoreContract


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def store(self, postgresql_store: Store[Any]) -> Store[Any]:
        return postgresql_store


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def store(self, postgresql_store: Store[Any]) -> Store[Any]:
        return postgresql_store
