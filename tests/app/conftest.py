"""A real system on a real SQLite file: the application assembled as `courierx serve` does it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.asgi import create_app
from courierx_app.cli.root import cli
from courierx_app.container import build, opened
from courierx_app.settings import Configuration, read
from courierx_core.access import service as access
from courierx_core.courier import Courier

Environ = dict[str, str]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, made once and copied by every test."""
    folder = tmp_path_factory.mktemp("database")
    path = folder / "courierx.db"
    with opened(read(folder, {"DATABASE_URL": f"sqlite:///{path}"}), migrate=True) as courier:
        assert courier.store.revision()
    return path


@pytest.fixture
def environ(tmp_path: Path, empty_database: Path) -> Environ:
    path = tmp_path / "courierx.db"
    shutil.copy(empty_database, path)
    return {"DATABASE_URL": f"sqlite:///{path}", "COURIERX_PUBLIC_URL": "https://mail.example.com"}


@pytest.fixture
def here(tmp_path: Path, environ: Environ, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in the install's folder, with its environment."""
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def command(here: Path) -> Callable[..., str]:
    """Run `courierx WORDS`, which must succeed, in the install's folder; return what it printed."""

    def run(*words: str, given: str = "") -> str:
        result = CliRunner().invoke(cli, words, input=given)
        assert result.exit_code == 0, result.output
        return result.output

    return run


@pytest.fixture
def configuration(tmp_path: Path, environ: Environ) -> Configuration:
    return read(tmp_path, environ)


@pytest.fixture
def courier(configuration: Configuration) -> Iterator[Courier]:
    made = build(configuration)
    yield made
    made.close()


@pytest.fixture
def api(courier: Courier, configuration: Configuration) -> Iterator[Callable[..., TestClient[Litestar]]]:
    """Make a client of the API: with a key's text, or with none; `dev=True` as `serve --dev`."""
    with ExitStack() as stack:

        def client(key: str = "", *, dev: bool = False, **options: Any) -> TestClient[Litestar]:
            made = stack.enter_context(
                TestClient(
                    create_app(courier, configuration.settings, dev=dev),
                    base_url="http://127.0.0.1",
                    raise_server_exceptions=False,
                    **options,
                )
            )
            if key:
                made.headers["Authorization"] = f"Bearer {key}"
            return made

        yield client


@pytest.fixture
def platform_key(courier: Courier) -> str:
    return access.create_key(courier.store, name="test")[1]


@pytest.fixture
def client(api: Callable[..., TestClient[Litestar]], platform_key: str) -> TestClient[Litestar]:
    """A client with a platform key."""
    return api(platform_key)


@pytest.fixture
def tenant_id(client: TestClient[Litestar]) -> int:
    answer = client.post("/tenants", json={"name": "Acme", "contact_email": "post@acme.example"})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])
