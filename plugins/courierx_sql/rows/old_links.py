"""Whom the links of another system meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, select

from courierx_sql.accessor import insert_into
from courierx_sql.tables import old_links


class OldLinkRows:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, tenant_id: int, people: Mapping[str, int]) -> None:
        rows = [
            {"name": name, "owner_id": tenant_id, "subscriber_id": person} for name, person in people.items()
        ]
        if not rows:
            return
        # one that names somebody anew (deleted and taken in again) leads to the later person
        statement = insert_into(self._connection.dialect.name, old_links)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["name", "owner_id"],
                set_={"subscriber_id": statement.excluded.subscriber_id},
            ),
            rows,
        )

    def find(self, name: str) -> Sequence[tuple[int, int]]:
        found = select(old_links.c.owner_id, old_links.c.subscriber_id).where(old_links.c.name == name)
        return [(row.owner_id, row.subscriber_id) for row in self._connection.execute(found)]

    def remove(self, tenant_id: int) -> None:
        self._connection.execute(delete(old_links).where(old_links.c.owner_id == tenant_id))
