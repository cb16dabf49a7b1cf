"""pg_dump and pg_restore carry a database of the store postgresql from one server to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from courierx_core.errors import Conflict, StoreError
from courierx_core.ports.driver import Runtime, Secret
from courierx_core.testing.store_samples import add_tenant, new_message
from courierx_core.upkeep import service
from courierx_sql.postgresql import PostgresStore
from tests.servers import OWNER, PASSWORD, Postgres, PostgresServer, postgres_binaries


def store_at(url: str, tools: Path | str) -> PostgresStore:
    return PostgresStore(
        "postgresql", PostgresStore.Config(url=Secret(url)), Runtime(environ={"PATH": str(tools)})
    )


@pytest.fixture
def tools(postgres: Postgres) -> Path:
    return postgres.binaries if isinstance(postgres, PostgresServer) else postgres_binaries()


def test_a_backup_is_restored(postgres: Postgres, migrated: str, tools: Path, tmp_path: Path) -> None:
    source, file = store_at(postgres.url(migrated), tools), tmp_path / "backup"
    tenant = add_tenant(source)
    with source.begin(tenant) as unit:
        unit.deliveries.add(new_message(unit), ["a@example.com"])
    service.backup(source, file)
    source.close()
    with postgres.database() as name:
        restored = store_at(postgres.url(name), tools)
        service.restore(restored, file)
        with restored.begin(tenant) as unit:
            assert [each.address for each in unit.deliveries.list()] == ["a@example.com"]
            unit.deliveries.add(new_message(unit), ["b@example.com"])
        assert all(broken == [] for _, broken in service.check(restored))
        with pytest.raises(Conflict, match="not empty"):
            service.restore(restored, file)
        restored.close()


def test_who_cannot_see_every_row_makes_no_backup(
    postgres: Postgres, migrated: str, tools: Path, tmp_path: Path
) -> None:
    source = store_at(postgres.url(migrated, OWNER), tools)
    with pytest.raises(StoreError, match="BYPASSRLS") as caught:
        service.backup(source, tmp_path / "backup")
    assert PASSWORD not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_without_the_tools_it_says_what_to_run(postgres: Postgres, migrated: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r'run elsewhere: pg_dump .* --dbname="\$DATABASE_URL"'):
        service.backup(store_at(postgres.url(migrated), tmp_path), tmp_path / "backup")
