"""What both stores share: the engine, the two kinds of transaction, and errors a person can act on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, InterfaceError, InternalError, OperationalError, TimeoutError

from courierx_core.audit import ACT, Act
from courierx_core.errors import Changed, NotFound, StoreError
from courierx_core.ports.driver import C, Runtime
from courierx_core.ports.platform import PlatformUnit
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.suppression.model import PLATFORM_WIDE
from courierx_migrations import HEAD
from courierx_sql import guard
from courierx_sql.accessor import Accessor
from courierx_sql.copying import Side, copy
from courierx_sql.rows.audit import AuditRows
from courierx_sql.sets import Sets
from courierx_sql.unit import SqlPlatformUnit, SqlUnit

OUT_OF_RANGE = "22003"
SERIALIZATION_FAILURE = "40001"
WRITE = "courierx_write"
"""Execution option of a connection: whether its transaction may change anything."""
STEADY = "courierx_steady"
"""Execution option of a connection: whether all statements of its transaction see one moment, and none
overwrites what came after it."""


def json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class SqlStore(Store[C]):
    """A store on one SQLAlchemy engine. A dialect gives the engine, its set functions and its words."""

    sets: ClassVar[Sets]

    def __init__(self, name: str, config: C, runtime: Runtime) -> None:
        super().__init__(name, config, runtime)
        self._engine: Engine | None = None

    @abstractmethod
    def create_engine(self) -> Engine:
        """Make the engine; pass `json_serializer=json_text, json_deserializer=msgspec.json.decode`, and
        let its transactions begin as their connection's options say (WRITE, STEADY, `guard.TENANT`)."""

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
        return {WRITE: write, STEADY: steady or not write}

    @contextmanager
    def _begin(self, tenant_id: int, write: bool, steady: bool) -> Iterator[UnitOfWork]:
        if tenant_id < 0:
            raise ValueError(f"A tenant's id is 0 (platform-wide) or more, not {tenant_id}.")
        with self._transaction({guard.TENANT: tenant_id, **self._kind(write, steady)}) as connection:
            unit = SqlUnit(connection, tenant_id, self.sets)
            with self._noting(connection, tenant_id, write) as noted:
                yield unit
        for act in noted:
            act.noted.add(tenant_id)

    @contextmanager
    def _noting(self, connection: Connection, tenant_id: int, write: bool) -> Iterator[Sequence[Act]]:
        """Note whose act a change is, as a part of it; the platform's acts are tenant 0's. Give the act that
        is noted once this is committed."""
        noted: list[Act] = []
        act = ACT.get() if write else None
        if act is None or tenant_id in act.noted:
            yield noted
            return
        since = self.sets.mark(connection)
        yield noted
        if not self.sets.may_have_changed(connection, since):
            return
        if tenant_id == PLATFORM_WIDE:  # whoever stands above tenants may have bound one of them
            self.sets.bind_tenant(connection, tenant_id)
        rows = AuditRows(Accessor(connection, tenant_id, self.sets))
        if rows.note(act):
            noted.append(act)

    @contextmanager
    def _platform(self, write: bool, steady: bool) -> Iterator[PlatformUnit]:
        with (
            self._transaction({guard.TENANT: guard.PLATFORM, **self._kind(write, steady)}) as connection,
            self._noting(connection, PLATFORM_WIDE, write) as noted,
        ):
            yield SqlPlatformUnit(connection, self.sets)
        for act in noted:
            act.noted.add(PLATFORM_WIDE)

    @contextmanager
    def above_tenants(self, *, write: bool) -> Iterator[Connection]:
        """Open a transaction over every tenant's rows, for what moves a whole database."""
        options = {guard.TENANT: guard.PLATFORM, **guard.ABOVE_TENANTS, **self._kind(write, False)}
        with self._transaction(options) as connection:
            yield connection

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
        except (OverflowError, DataError) as error:
            if isinstance(error, DataError) and getattr(error.orig, "sqlstate", "") != OUT_OF_RANGE:
                raise
            raise NotFound("There is nothing with a number as large as that.") from error
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

    def copy_from(self, source: Store[Any]) -> Iterator[tuple[str, int]]:
        if not isinstance(source, SqlStore):
            yield from super().copy_from(source)
            return
        for store in (source, self):
            if (at := store.revision()) != HEAD:
                at = at or "nothing"
                raise StoreError(
                    f"{store.name} is at schema {at}, not {HEAD}: run `courierx db upgrade` on it."
                )
        with source.above_tenants(write=False) as theirs, self.above_tenants(write=True) as ours:
            yield from copy(Side(theirs, source.sets), Side(ours, self.sets))

    def upgrade(self) -> None:
        # alembic takes 0.4 s to import, and only upgrades need it
        from courierx_sql.upgrade import upgrade

        with self.translated():
            upgrade(self.engine)

    def revision(self) -> str:
        from courierx_sql.upgrade import revision

        with self.translated():
            return revision(self.engine)

    def outdated(self) -> bool:
        return self.revision() < HEAD  # digits, as many in each

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
