"""What a request's Idempotency-Key was answered, for 24 hours."""

from __future__ import annotations

from typing import Any

from courierx_core.errors import Conflict
from courierx_core.ports.store import IdempotentAnswer
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.tables import idempotency_keys as keys

KEPT_SECONDS = 24 * 3600


class IdempotencyRows:
    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

    def get(self, key: str) -> IdempotentAnswer | None:
        statement = self._tenant.select(keys, keys.c.key, keys.c.fingerprint, keys.c.status, keys.c.body)
        row = self._tenant.execute(
            statement.where(keys.c.key == key, keys.c.created_at > now(-KEPT_SECONDS))
        ).one_or_none()
        if row is None:
            return None
        return IdempotentAnswer(row.key, bytes(row.fingerprint), row.status, bytes(row.body))

    def put(self, answer: IdempotentAnswer) -> None:
        values: dict[str, Any] = {
            "fingerprint": answer.fingerprint,
            "status": answer.status,
            "body": answer.body,
            "created_at": now(),
        }
        # a first put (status 0) must not pass another request's: the unique key decides who runs
        free = keys.c.created_at <= now(-KEPT_SECONDS) if answer.status == 0 else None
        statement = (
            self._tenant.insert(keys)
            .values(key=answer.key, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "key"], set_=values, where=free)
            .returning(keys.c.key)
        )
        if self._tenant.execute(statement).one_or_none() is None:
            raise Conflict("A request with this Idempotency-Key is in work or was answered.")
