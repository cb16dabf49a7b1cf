"""What both stores share: the engine, the two kinds of transaction, and errors a person can act on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, TimeoutError

from courierx_core.audit import ACT
from courierx_core.errors import Changed, StoreError
from courierx_core.ports.driver import C, Runtime
from courierx_core.ports.platform import PlatformUnit
from courierx_core.ports.store import Store, UnitOfWork
from courierx_sql import guard
from courierx_sql.sets import Sets
from courierx_sql.unit import SqlPlatformUnit, SqlUnit

SERIALIZATION_FAILURE = "40001"
WRITE = "courierx_write"
"""Execution option of a connection: whether its transaction may change anything."""


def json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class SqlStore(Store[C]):
    """A store on one SQLAlchemy engine. A dialect gives the engine, its set functions and its words."""

    sets: ClassVar[Sets]
    reading: ClassVar[Mapping[str, Any]] = {}
    """How a unit that only reads is opened, where its statements must be told to see one moment."""
    steady: ClassVar[Mapping[str, Any]] = {}
    """How a unit is opened that must not overwrite what came after its first look."""

    def __init__(self, name: str, config: C, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._engine: Engine | None = None

    @abstractmethod
    def create_engine(self) -> Engine:
        """Make the engine; pass `json_serializer=json_text, json_deserializer=msgspec.json.decode`."""

    @abstractmethod
    def explain(self, error: Exception) -> str:
        """Say in one line what the driver's error means and what to do; no password in it."""

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = self.create_engine()
            guard.watch(self._engine)
        return self._engine

    def begin(
        self, tenant_id: int, *, write: bool = True, steady: bool = False
    ) -> AbstractContextManager[UnitOfWork]:
        return self._begin(tenant_id, write, steady)

    def platform(self, *, write: bool = True, steady: bool = False) -> AbstractContextManager[PlatformUnit]:
        return self._platform(write, steady)

    def _kind(self, write: bool, steady: bool) -> Mapping[str, Any]:
        return {WRITE: write, **({} if write else self.reading), **(self.steady if steady else {})}

    @contextmanager
    def _begin(self, tenant_id: int, write: bool, steady: bool) -> Iterator[UnitOfWork]:
        if tenant_id < 0:
            raise ValueError(f"A tenant's id is 0 (platform-wide) or more, not {tenant_id}.")
        with self._transaction({guard.TENANT: tenant_id, **self._kind(write, steady)}) as connection:
            self.sets.bind_tenant(connection, tenant_id)
            unit = SqlUnit(connection, tenant_id, self.sets)
            act = ACT.get() if write else None
            if act is None or tenant_id in act.noted:
                yield unit
                return
            before = self.sets.written(connection)
            yield unit
            changed = self.sets.written(connection) != before
            if changed:
                unit.audit.add(act.action, act.subject, act.detail, actor=act.actor)
        if changed:
            act.noted.add(tenant_id)

    @contextmanager
    def _platform(self, write: bool, steady: bool) -> Iterator[PlatformUnit]:
        with self._transaction({guard.TENANT: guard.PLATFORM, **self._kind(write, steady)}) as connection:
            self.sets.bind_platform(connection)
            yield SqlPlatformUnit(connection, self.sets)

    @contextmanager
    def _transaction(self, options: dict[str, Any]) -> Iterator[Connection]:
        with self.translated(), self.engine.connect() as connection:
            connection.execution_options(**options)
            with connection.begin():
                yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the driver's outages into StoreError."""
        try:
            yield
        except (OperationalError, InterfaceError, InternalError) as error:
            if getattr(error.orig, "sqlstate", "") == SERIALIZATION_FAILURE:
                raise Changed("Somebody else changed it at the same time: read it again.") from error
            raise StoreError(
                self.explain(error.orig if isinstance(error.orig, Exception) else error)
            ) from error
        except TimeoutError as error:
            raise StoreError(
                f"The store {self.name} has no free connection: too many requests at once. Try again."
            ) from error

    def upgrade(self) -> None:
        # alembic takes 0.4 s to import, and only upgrades need it
        from courierx_sql.upgrade import upgrade

        with self.translated():
            upgrade(self.engine)

    def revision(self) -> str:
        from courierx_sql.upgrade import revision

        with self.translated():
            return revision(self.engine)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
