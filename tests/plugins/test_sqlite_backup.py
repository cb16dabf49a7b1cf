"""A backup of the store sqlite is a database of its own, as of one moment, and is restored into nothing."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from courierx_core.errors import Conflict, NotFound, StoreError
from courierx_core.ports.driver import Runtime
from courierx_core.ports.platform import DISOWNED, Installation
from courierx_core.ports.store import Store
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.upkeep import service
from courierx_sql.sqlite import SqliteStore


def at(path: Path) -> SqliteStore:
    return SqliteStore("sqlite", SqliteStore.Config(url=f"sqlite:///{path}"), Runtime(folder=path.parent))


def test_a_backup_is_restored_and_sends_nothing_unasked(sqlite_store: Store[Any], tmp_path: Path) -> None:
    tenant = add_tenant(sqlite_store)
    with sqlite_store.begin(tenant) as unit:
        unit.deliveries.add(new_message(unit), ["a@example.com"])
    with sqlite_store.platform() as platform:
        platform.save_installation(Installation(environment="production"))
    file = tmp_path / "backup"
    with sqlite_store.begin(tenant) as unit:  # a writer, that a backup neither waits for nor sees
        unit.deliveries.add(new_message(unit), ["b@example.com"])
        service.backup(sqlite_store, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(Conflict, match="is there already"):
        service.backup(sqlite_store, file)
    restored = at(tmp_path / "restored.db")
    service.restore(restored, file)
    with restored.begin(tenant, write=False) as unit:
        assert [each.address for each in unit.deliveries.list()] == ["a@example.com"]
    with restored.platform(write=False) as platform:
        assert platform.installation().heartbeat_at == DISOWNED
    assert all(broken == [] for _, broken in service.check(restored))
    restored.close()
    assert sorted(path.name for path in tmp_path.glob("*.part*")) == []


def test_nothing_is_overwritten(sqlite_store: Store[Any], tmp_path: Path) -> None:
    file = tmp_path / "backup"
    service.backup(sqlite_store, file)
    with pytest.raises(Conflict, match="move it away first"):
        service.restore(sqlite_store, file)


@pytest.mark.parametrize("content", [b"no database at all, but long enough to look like one" * 20, b""])
def test_what_is_no_backup_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "junk").write_bytes(content)
    store = at(tmp_path / "new.db")
    with pytest.raises(StoreError, match="is no backup"):
        service.restore(store, tmp_path / "junk")
    with pytest.raises(NotFound, match="no database"):
        service.backup(store, tmp_path / "backup")
    with pytest.raises(NotFound, match="no file"):
        service.restore(store, tmp_path / "nowhere")
    assert [path.name for path in tmp_path.iterdir()] == ["junk"]
