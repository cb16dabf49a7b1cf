"""Changes of a message's delivery states that no work item made (LEDGER: counters)."""

from __future__ import annotations

from collections.abc import Mapping

from courierx_sql.accessor import Accessor
from courierx_sql.tables import message_counters as counters


def change(tenant: Accessor, message_id: int, changes: Mapping[str, int]) -> None:
    """Add `changes` to the message's own counters."""
    rows = [{"kind": kind, "n": n} for kind, n in sorted(changes.items()) if n]  # one order
    if not rows:
        return
    statement = tenant.insert(counters).values(message_id=message_id)
    tenant.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "message_id", "kind"],
            set_={"n": counters.c.n + statement.excluded.n},
        ),
        rows,
    )


def read(tenant: Accessor, message_id: int) -> dict[str, int]:
    statement = tenant.select(counters, counters.c.kind, counters.c.n).where(
        counters.c.message_id == message_id
    )
    return {row.kind: row.n for row in tenant.execute(statement)}
