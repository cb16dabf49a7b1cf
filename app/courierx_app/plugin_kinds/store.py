"""A store around another, through which every transaction goes: one of one's own is weeks of work."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "does": "Keeps what CourierX knows in",
    "group": "courierx.stores",
    "object": "Store",
    "method": "begin` and `platform",
    "use": """The scheme of DATABASE_URL chooses the store, in every process:

    export DATABASE_URL=$name:///courierx.db
    courierx doctor
    courierx db upgrade
    courierx serve

It keeps its books in the store that ${env}_STORE names (default: sqlite), and warns of each transaction
that was open for longer than ${env}_SLOW_SECONDS.""",
}

_CODE = '''\
"""The store `$name`: another store, with a warning for each transaction that was open for long.

Every transaction passes here. Take over what you want to be otherwise, one method or one repository at a
time; the contract suites say whether it is still a store.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from courierx_core import Config, Problem, Runtime, Secret, Store
from courierx_core.access.model import ApiKey
from courierx_core.config import load
from courierx_core.plugins import STORES
from courierx_core.ports.ledger import Ledger
from courierx_core.ports.platform import PlatformUnit
from courierx_core.ports.store import UnitOfWork

log = logging.getLogger(__name__)
URL = "DATABASE_URL"


class ${title}Config(Config, frozen=True, kw_only=True):
    """Where the books are, and what is slow."""

    url: Annotated[Secret, Meta(extra={"env": URL})]
    """`$name://REST`; the store within is given `INNER://REST`."""
    inner: Annotated[str, Meta(extra={"env": "${env}_STORE"})] = "sqlite"
    slow_seconds: Annotated[float, Meta(gt=0, extra={"env": "${env}_SLOW_SECONDS"})] = 1.0


class ${title}Store(Store[${title}Config]):
    Config: ClassVar[type[Any]] = ${title}Config

    def __init__(self, name: str, config: ${title}Config, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        inner = STORES.load(config.inner)
        table = {"url": f"{config.inner}://{config.url.reveal().partition('://')[2]}"}
        environ = {key: text for key, text in runtime.environ.items() if key != URL}
        settings = load(inner.Config, table=table, environ=environ, where=name)
        self._inner = inner(config.inner, settings, runtime)

    @contextmanager
    def begin(self, tenant_id: int, *, write: bool = True, steady: bool = False) -> Iterator[UnitOfWork]:
        with (
            self._watched(f"of tenant {tenant_id}"),
            self._inner.begin(tenant_id, write=write, steady=steady) as unit,
        ):
            yield unit

    @contextmanager
    def platform(self, *, write: bool = True, steady: bool = False) -> Iterator[PlatformUnit]:
        with self._watched("of the platform"), self._inner.platform(write=write, steady=steady) as unit:
            yield unit

    def key(self, key_id: int) -> ApiKey | None:
        return self._inner.key(key_id)

    def ledger(self) -> Ledger:
        """The hot path: what you add here is added to each window of mail."""
        return self._inner.ledger()

    def upgrade(self) -> None:
        self._inner.upgrade()

    def revision(self) -> str:
        return self._inner.revision()

    def outdated(self) -> bool:
        return self._inner.outdated()

    def copy_from(self, source: Store[Any]) -> Iterator[tuple[str, int]]:
        return self._inner.copy_from(source)

    def backup(self, path: Path) -> None:
        self._inner.backup(path)

    def restore(self, path: Path) -> None:
        self._inner.restore(path)

    def check(self) -> list[Problem]:
        return self._inner.check()

    def close(self) -> None:
        self._inner.close()

    @contextmanager
    def _watched(self, whose: str) -> Iterator[None]:
        began = self.runtime.monotonic()
        try:
            yield
        finally:
            took = self.runtime.monotonic() - began
            if took > self.config.slow_seconds:
                log.warning("A transaction %s was open for %.1f s.", whose, took)
'''

_TEST = '''\
"""The store keeps the contract, its hot path too, and says what was slow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from $package.store import ${title}Config, ${title}Store

from courierx_core import Runtime, Secret
from courierx_core.plugins import STORES
from courierx_core.testing import LedgerContract, StoreContract


def store_of(folder: Path, **fields: object) -> ${title}Store:
    config = ${title}Config(url=Secret(f"$name:///{folder}/courierx.db"), **fields)  # type: ignore[arg-type]
    return ${title}Store("$name", config, Runtime(folder=folder))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[${title}Store]:
    """Upgraded and empty."""
    made = store_of(tmp_path)
    made.upgrade()
    yield made
    made.close()


class Test${title}(StoreContract):
    pass


class Test${title}Ledger(LedgerContract):
    pass


def test_a_slow_transaction_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = store_of(tmp_path, slow_seconds=1e-9)
    store.upgrade()
    with store.platform() as unit:
        unit.workers()
    assert "A transaction of the platform was open for" in caplog.text
    store.close()


def test_the_entry_point_is_found_by_its_name() -> None:
    assert STORES.load("$name") is ${title}Store
'''

FILES: Mapping[str, str] = {"src/$package/store.py": _CODE, "tests/test_store.py": _TEST}
