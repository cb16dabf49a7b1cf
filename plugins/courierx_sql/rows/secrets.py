"""What a tenant has that is encrypted at rest, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Column, Table, and_

from courierx_sql.accessor import Accessor
from courierx_sql.columns import ENCRYPTED, metadata


class SecretRows:
    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

    def renew(self, change: Callable[[bytes], bytes]) -> int:
        renewed = 0
        for table, column in _encrypted():
            keys = list(table.primary_key.columns)
            rows = self._tenant.execute(self._tenant.select(table, *keys, column).where(column != b"")).all()
            for row in rows:
                this = and_(*(key == row._mapping[key.name] for key in keys))
                changed = self._tenant.update(table).where(this, column == row._mapping[column.name])
                self._tenant.execute(changed.values({column: change(bytes(row._mapping[column.name]))}))
            renewed += len(rows)
        return renewed


def _encrypted() -> Iterator[tuple[Table, Column[bytes]]]:
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.info.get(ENCRYPTED):
                yield table, column
