"""Idempotency-Key: a repeated request is answered as the first was, for 24 hours."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation

from courierx_app.api.given import TheCourier
from courierx_core.audit import unnoted
from courierx_core.courier import Courier
from courierx_core.errors import ConfigError, Conflict, CourierXError, InvalidInput
from courierx_core.keep import Keep
from courierx_core.ports.idempotency import IdempotentAnswer, Keeps

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST = 255

Answer: TypeAlias = msgspec.Struct | Mapping[str, object]
Answering: TypeAlias = Keep[Answer]
"""Gives the answer, in the transaction that makes what it tells of."""
GivenKey: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name=HEADER,
        description="Any text of your own. The same request with the same key is done once, and answered "
        "with the first answer for 24 hours.",
        required=False,
    ),
]


class KeyInWork(Conflict):
    """The first request with this key has not been answered yet."""

    code = "idempotency_in_work"


class KeyMismatch(InvalidInput):
    """The key was used for another request."""

    code = "idempotency_mismatch"


class InWork:
    """The keys whose requests this process is at work on."""

    def __init__(self) -> None:
        self._keys: set[tuple[int | None, str]] = set()
        self._lock = threading.Lock()

    @contextmanager
    def alone(self, tenant_id: int | None, key: str) -> Iterator[None]:
        """Let nobody else use the key meanwhile. Raises KeyInWork where somebody does."""
        mine = (tenant_id, key)
        with self._lock:
            if mine in self._keys:
                raise KeyInWork(
                    "The first request with this Idempotency-Key is still in work; ask again soon, with the "
                    "same key: nothing is done twice."
                )
            self._keys.add(mine)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(mine)


class Once:
    """Does what a request asks for once, however often it comes with its key.

    The answer is stored in the transaction that makes what it tells of, so a crash leaves both or neither.
    Two processes that get one key at a time both try, and the store lets one of them commit.
    """

    def __init__(self, request: Request[Any, Any, Any], courier: Courier, key: str) -> None:
        self._request, self._courier, self.key = request, courier, key

    def __call__(
        self,
        tenant_id: int | None,
        body: object,
        act: Callable[[Answering], Answer | None],
        status: int = 200,
        *,
        secret: bool = False,
    ) -> Response[Any]:
        """Let `act` do it and give its answer; where the key has one already, repeat that instead.

        What `act` returns, if anything, became known after its commit and replaces the answer it gave.
        What it raises is not kept: the caller may mend the cause and use the key again. A `secret` answer
        is kept encrypted.
        """
        mark = self._mark(body)
        given: list[Answer] = []

        def answer(unit: Keeps, made: Answer) -> None:
            given.append(made)
            if self.key:
                unit.idempotency.add(self._kept(mark, made, status, secret))

        in_work: InWork = self._request.app.state.in_work
        with in_work.alone(tenant_id, self.key) if self.key else nullcontext():
            if again := self._again(tenant_id, mark, secret):
                return again
            try:
                more = act(answer)
            except CourierXError:
                # another process may have had the key, and have made just now what stands in the way
                if again := self._again(tenant_id, mark, secret):
                    return again
                raise
            if more is not None:
                self.amend(tenant_id, body, more, status)
        return Response(given[-1] if more is None else more, status_code=status)

    def amend(self, tenant_id: int | None, body: object, answer: Answer, status: int = 200) -> None:
        """Replace the kept answer of a tenant's request by one that says more."""
        if self.key and tenant_id is not None:
            with unnoted(), self._courier.store.begin(tenant_id) as unit:
                unit.idempotency.save(self._kept(self._mark(body), answer, status, False))

    def _mark(self, body: object) -> bytes:
        url = self._request.url
        asked = f"{self._request.method} {url.path}?{url.query}\n".encode()
        return hashlib.sha256(asked + msgspec.json.encode(body)).digest()

    def _kept(self, mark: bytes, answer: Answer, status: int, secret: bool) -> IdempotentAnswer:
        body = msgspec.json.encode(answer)
        kept = self._courier.secrets.encrypt(body) if secret else body
        return IdempotentAnswer(self.key, mark, status, kept)

    def _again(self, tenant_id: int | None, mark: bytes, secret: bool) -> Response[Any] | None:
        if not self.key:
            return None
        with self._reading(tenant_id) as unit:
            before = unit.idempotency.get(self.key)
        if before is None:
            return None
        if before.fingerprint != mark:
            raise KeyMismatch.of(HEADER, "mismatch", "was used for another request; use a fresh one")
        try:
            body = self._courier.secrets.decrypt(before.body) if secret else before.body
        except ConfigError:
            raise Conflict("The first answer cannot be read any more; use a fresh Idempotency-Key.") from None
        return Response(msgspec.json.decode(body), status_code=before.status, headers={REPLAYED: "true"})

    def _reading(self, tenant_id: int | None) -> AbstractContextManager[Keeps]:
        store = self._courier.store
        return store.platform(write=False) if tenant_id is None else store.begin(tenant_id, write=False)


def provide_once(
    request: Request[Any, Any, Any], courier: TheCourier, idempotency_key: GivenKey = None
) -> Once:
    """Raises InvalidInput for a key that is too long."""
    key = idempotency_key or ""
    if len(key) > LONGEST:
        raise InvalidInput.of(HEADER, "too_long", f"takes at most {LONGEST} characters")
    return Once(request, courier, key)


TheOnce: TypeAlias = NamedDependency[SkipValidation[Once]]
