"""The store sqlite keeps the contract, and what is its own: its file, its errors, its locks."""

from __future__ import annotations

from typing import Any

import pytest

from courierx_core.ports.store import Store
from courierx_core.testing.store import StoreContract


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def store(self, sqlite_store: Store[Any]) -> Store[Any]:
        return sqlite_store
