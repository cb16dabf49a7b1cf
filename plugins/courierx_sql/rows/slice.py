"""What the slices' tables have in common: a Struct in, a row; a row out, a Struct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, RowMapping, Select, Table, bindparam, select
from sqlalchemy.exc import IntegrityError

from courierx_core.errors import Conflict, InvalidInput, NotFound
from courierx_sql.accessor import TENANT, Accessor
from courierx_sql.clock import now

S = TypeVar("S", bound=msgspec.Struct)


def is_id(number: int) -> bool:
    """Tell whether a database could ever have given this id: one that fits 64 bits."""
    return 0 < number < 1 << 63


def check_limit(limit: int) -> None:
    """Raise InvalidInput for a page that is too large, or none."""
    if not 1 <= limit <= 1000:
        raise InvalidInput.of("limit", "out_of_range", f"limit is 1 to 1000, not {limit}.")


@cache
def _by_id(table: Table) -> Select[Any]:
    return select(table).where(table.c.tenant_id == TENANT, table.c.id == bindparam("id"))


class Slice(Generic[S]):
    """A table whose columns are the Struct's fields; `id`, `tenant_id` and times are the store's."""

    table: ClassVar[Table]
    struct: ClassVar[type[Any]]
    noun: ClassVar[str]

    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

    def get(self, object_id: int) -> S:
        self._check(object_id)
        row = self._tenant.run(_by_id(self.table), id=object_id).one_or_none()
        if row is None:
            raise self._missing(object_id)
        return self._read(row._mapping)

    def remove(self, object_id: int) -> None:
        self._check(object_id)
        gone = self._tenant.execute(self._tenant.delete(self.table).where(self.table.c.id == object_id))
        if gone.rowcount == 0:
            raise self._missing(object_id)

    def _read(self, row: RowMapping) -> S:
        """Make the Struct; a slice whose row is not field for field the Struct overrides it."""
        made: S = self.struct(**dict(row))
        return made

    def _values(self, value: S) -> dict[str, Any]:
        """Give the columns that the caller decides."""
        own = ("id", "tenant_id", "created_at", "updated_at")
        return {name: getattr(value, name) for name in self.struct.__struct_fields__ if name not in own}

    def _times(self, *names: str) -> dict[str, Any]:
        return {name: now() for name in names if name in self.table.c}

    def _insert(self, value: S, **decided: Any) -> S | None:
        """Insert, with what was `decided` beside the value; None when a unique key has it already."""
        row = self._tenant.add(self.table, {**self._values(value), **decided})
        return None if row is None else self._read(row._mapping)

    def _update(
        self, object_id: int, values: Mapping[str, Any], *conditions: ColumnElement[bool]
    ) -> S | None:
        """Write by id where the conditions hold; None where they don't or nothing has that id."""
        statement = (
            self._tenant.update(self.table)
            .where(self.table.c.id == object_id, *conditions)
            .values(**values, **self._times("updated_at"))
            .returning(self.table)
        )
        row = self._tenant.execute(statement).one_or_none()
        return None if row is None else self._read(row._mapping)

    def _page(self, before: int | None, limit: int, *conditions: ColumnElement[bool]) -> list[S]:
        """Read newest first, below `before`."""
        rows = self._tenant.execute(self._newest(before, limit).where(*conditions))
        return [self._read(row._mapping) for row in rows]

    def _newest(self, before: int | None, limit: int, *columns: ColumnElement[Any]) -> Select[Any]:
        """Select `columns` (all by default) of a page."""
        check_limit(limit)
        statement = self._tenant.select(self.table, *columns)
        if before is not None:
            statement = statement.where(self.table.c.id < before)
        return statement.order_by(self.table.c.id.desc()).limit(limit)

    def _check(self, object_id: int) -> None:
        if not is_id(object_id):
            raise self._missing(object_id)

    def _missing(self, object_id: int) -> NotFound:
        return NotFound(f"No {self.noun} {object_id}.")

    @contextmanager
    def _unique(self, message: str) -> Iterator[None]:
        """Turn a broken unique key into Conflict, and leave the unit usable."""
        try:
            with self._tenant.connection.begin_nested():
                yield
        except IntegrityError as error:
            raise Conflict(message) from error
