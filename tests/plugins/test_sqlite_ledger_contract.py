"""The ledger of the store sqlite keeps the contract."""

from __future__ import annotations

from typing import Any

import pytest

from courierx_core.ports.store import Store
from courierx_core.testing.ledger import LedgerContract


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def store(self, sqlite_store: Store[Any]) -> Store[Any]:
        return sqlite_store
