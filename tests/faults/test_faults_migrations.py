"""R25: kill -9 in each migration; a second run succeeds and no row is lost."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import alembic.command
import pytest
from sqlalchemy import Engine, event

from courierx_core.ports.driver import Runtime, Secret
from courierx_migrations import HEAD
from courierx_sql.postgresql import PostgresStore
from courierx_sql.sqlite import SqliteStore
from tests.faults.conftest import SETUPS
from tests.faults.launch import changes
from tests.faults.process import Process
from tests.faults.site import SECRET, StoreName
from tests.servers import OWNER, Postgres

LOGIN = ""
"""Not the app's role: at a revision of the past it may read nothing yet."""


@pytest.fixture
def databases(request: pytest.FixtureRequest, store_name: StoreName, tmp_path: Path) -> Iterator[list[str]]:
    """URLs of three empty databases, as the migrations' role."""
    with ExitStack() as stack:
        if store_name == "sqlite":
            yield [f"sqlite:///{tmp_path}/{number}.db" for number in range(3)]
        else:
            (tmp_path / "courierx.toml").write_text(f'[store]\napp_role = "{LOGIN}"\n')
            server: Postgres = request.getfixturevalue("postgres")
            yield [server.url(stack.enter_context(server.database()), OWNER) for _ in range(3)]


@pytest.mark.parametrize("setup", SETUPS, indirect=True)
def test_r25_a_killed_migration_is_completed_by_the_next_run(
    databases: list[str],
    tmp_path: Path,
    seed: int,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, empty, with_rows = databases
    counts = statements(whole)
    kill_in_first_and_last(tmp_path, empty, counts, chance)
    upgrade(with_rows, monkeypatch, "0001")
    add_tenant(with_rows)
    later = counts[1:]
    kill_in(range(len(later)), tmp_path, with_rows, later, chance, was="0001")
    with closing(store_of(with_rows)) as store, store.platform() as platform:
        assert [tenant.name for tenant in platform.tenants.list()] == ["Acme"]


@pytest.mark.parametrize("setup", ["postgresql+rq"], indirect=True)
def test_r25_a_killed_migration_is_completed_where_redis_is_configured_too(
    databases: list[str], tmp_path: Path, seed: int, chance: random.Random, queue: Mapping[str, str]
) -> None:
    whole, empty, _ = databases
    kill_in_first_and_last(tmp_path, empty, statements(whole), chance, **queue)


def statements(url: str) -> list[int]:
    """Count the statements of each migration that change anything."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        if changes(sql):
            seen.append(sql)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with closing(store_of(url)) as store:
            store.upgrade()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    ends = [
        number
        for number, sql in enumerate(seen, 1)
        if "courierx_version" in sql and sql.startswith(("INSERT", "UPDATE"))
    ]
    assert len(ends) == int(HEAD)
    return [end - start for start, end in pairwise([0, *ends])]


def kill_in_first_and_last(
    folder: Path, url: str, counts: Sequence[int], chance: random.Random, **environ: str
) -> None:
    kill_in({0, len(counts) - 1}, folder, url, counts, chance, **environ)


def kill_in(
    which: Collection[int],
    folder: Path,
    url: str,
    counts: Sequence[int],
    chance: random.Random,
    *,
    was: str = "",
    **more: str,
) -> None:
    """Kill `courierx db upgrade` in these of its migrations; then let it run to its end."""
    environ = {"DATABASE_URL": url, "COURIERX_SECRET_KEY": SECRET, **more}
    for number in sorted(which):
        nth = sum(counts[:number]) + chance.randint(1, counts[number])
        bent = {**environ, "COURIERX_TEST_BEND": f"kill_at_statement={nth}"}
        killed = Process(folder / "killed.log", folder, bent, "db", "upgrade")
        assert killed.wait() == -9, f"it was not killed at statement {nth}: {killed.words()}"
        with closing(store_of(url)) as store:
            assert store.revision() == was, "half an upgrade was stored"
    again = Process(folder / "again.log", folder, environ, "db", "upgrade")
    assert again.wait() == 0, again.words()
    with closing(store_of(url)) as store:
        assert store.revision() == HEAD


def upgrade(url: str, monkeypatch: pytest.MonkeyPatch, revision: str) -> None:
    """Bring the schema to a revision of the past."""
    whole_way = alembic.command.upgrade
    with monkeypatch.context() as patch, closing(store_of(url)) as store:
        patch.setattr(alembic.command, "upgrade", lambda config, _head: whole_way(config, revision))
        store.upgrade()
        assert store.revision() == revision


def add_tenant(url: str) -> None:
    """Store a row at the first revision, where PostgreSQL has no sequences yet."""
    with closing(store_of(url)) as store, store.engine.begin() as connection:
        moment = "0" if url.startswith("sqlite") else "now()"
        connection.exec_driver_sql(
            "INSERT INTO tenants (id, name, name_key, contact_email, ses_verified, default_from, weight,"
            " created_at, updated_at) VALUES (1, 'Acme', 'acme', 'post@acme.example', false, '', 1,"
            f" {moment}, {moment})"
        )


def store_of(url: str) -> Any:
    if url.startswith("sqlite"):
        return SqliteStore("sqlite", SqliteStore.Config(url=url), Runtime())
    config = PostgresStore.Config(url=Secret(url), app_role=LOGIN)
    return PostgresStore("postgresql", config, Runtime())
