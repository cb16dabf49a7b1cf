"""A suppression in the words of the reference, as the API and the exports tell it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from courierx_core.suppression.model import Cause, Suppression


class SuppressionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`email` is an address, or `@domain` for everybody there."""

    id: int
    tenant_id: int
    email: str
    reason: str
    cause: Cause
    created_at: datetime | None
    expires_at: datetime | None


def suppression_answer(suppression: Suppression) -> SuppressionAnswer:
    return SuppressionAnswer(
        id=suppression.id,
        tenant_id=suppression.tenant_id,
        email=suppression.address,
        reason=suppression.reason,
        cause=suppression.cause,
        created_at=suppression.created_at,
        expires_at=suppression.expires_at,
    )
