"""Idempotency-Key: a repeated request is answered as the first was, for 24 hours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response

from courierx_core.audit import unnoted
from courierx_core.courier import Courier
from courierx_core.errors import Conflict, InvalidInput
from courierx_core.ports.store import IdempotentAnswer

HEADER = "Idempotency-Key"
_LONGEST = 255


class KeyInWork(Conflict):
    """The first request with this key has not been answered yet."""

    code = "idempotency_in_work"


class KeyMismatch(InvalidInput):
    """The key was used for another request."""

    code = "idempotency_mismatch"


def once(
    request: Request[Any, Any, Any],
    courier: Courier,
    tenant_id: int,
    body: object,
    act: Callable[[], msgspec.Struct],
    status: int = 200,
) -> Response[Any]:
    """Do `act` and answer it; with a key that was answered before, repeat that answer instead.

    What `act` raises is not kept: the caller may mend the cause and use the key again.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        return Response(act(), status_code=status)
    if len(key) > _LONGEST:
        raise InvalidInput.of(HEADER, "too_long", f"takes at most {_LONGEST} characters")
    mark = hashlib.sha256(
        f"{request.method} {request.url.path}\n".encode() + msgspec.json.encode(body)
    ).digest()
    with unnoted(), courier.store.begin(tenant_id) as unit:
        before = unit.idempotency.get(key)
        if before is None or (before.status >= 400 and before.fingerprint == mark):
            unit.idempotency.put(IdempotentAnswer(key, mark, 0 if before is None else 102))
            before = None
    if before is not None:
        return _again(before, mark)
    try:
        answer = act()
    except BaseException:
        _keep(courier, tenant_id, IdempotentAnswer(key, mark, 499))
        raise
    _keep(courier, tenant_id, IdempotentAnswer(key, mark, status, msgspec.json.encode(answer)))
    return Response(answer, status_code=status)


def _again(before: IdempotentAnswer, mark: bytes) -> Response[Any]:
    if before.fingerprint != mark:
        raise KeyMismatch.of(HEADER, "mismatch", "was used for another request; use a fresh one")
    if before.status < 200 or before.status >= 400:
        raise KeyInWork("The first request with this Idempotency-Key is still in work; ask again soon.")
    answer = msgspec.json.decode(before.body)
    return Response(answer, status_code=before.status, headers={"Idempotency-Replayed": "true"})


def _keep(courier: Courier, tenant_id: int, answer: IdempotentAnswer) -> None:
    with unnoted(), courier.store.begin(tenant_id) as unit:
        unit.idempotency.put(answer)
