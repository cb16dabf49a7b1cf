"""What a request's Idempotency-Key was answered, for 24 hours."""

from __future__ import annotations

from typing import Any

from courierx_core.errors import Conflict
from courierx_core.ports.idempotency import IdempotentAnswer
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

    def add(self, answer: IdempotentAnswer) -> None:
        values = {**_values(answer), "created_at": now()}
        old = keys.c.created_at <= now(-KEPT_SECONDS)
        statement = (
            self._tenant.insert(keys)
            .values(key=answer.key, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "key"], set_=values, where=old)
            .returning(keys.c.key)
        )
        if self._tenant.execute(statement).one_or_none() is None:
            raise Conflict("A request with this Idempotency-Key was answered already.")

    def save(self, answer: IdempotentAnswer) -> None:
        this = keys.c.key == answer.key
        self._tenant.execute(self._tenant.update(keys).where(this).values(**_values(answer)))


def _values(answer: IdempotentAnswer) -> dict[str, Any]:
    return {"fingerprint": answer.fingerprint, "status": answer.status, "body": answer.body}
