"""/c/{token} and /o/{token}: clicks and opens, in bare ASGI beside the framework.

A click is answered with the stored URL its token stands for, or 404: there is no way to make it lead
elsewhere (S05). An open is answered with a dot. Hits are kept in memory and written in sets by a thread of
their own; what a crash can lose is `FLUSH_SECONDS` of them, and a stop loses none.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, ParamSpec, TypeAlias, TypeVar
from urllib.parse import quote

from courierx_app.api.headers import HTTPS, SECURITY
from courierx_app.api.problems import RETRY_AFTER_SECONDS
from courierx_core.courier import Courier
from courierx_core.errors import CourierXError
from courierx_core.mail.token import BadToken, Token
from courierx_core.tracking.links import Links
from courierx_core.tracking.model import USER_AGENT_MAX, Hit, Kind, is_machine
from courierx_core.tracking.service import keep

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Asgi: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application (scope, receive, send), whoever's types it has."""

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("courierx_app.tracking")

FLUSH_SECONDS = 0.05
"""From a hit to its set's transaction, at the most, while the store keeps up."""
SET_FULL = 250
"""With so many hits waiting, whoever comes while a set is being written is answered after it: more are not
taken than can be written, so that a kill loses little under any load."""
PAUSE_SECONDS = 0.25
"""But no longer than this: a click is answered whatever the store does."""
HITS_MAX = 100_000
"""Hits kept while the store is away; the oldest are lost first."""
AGAIN_SECONDS = 1.0

DOT = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_PATHS: Mapping[str, Kind] = {"/c/": "clicked", "/o/": "opened"}
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"


def beside(app: Asgi, courier: Courier, *, https: bool) -> Asgi:
    """Put tracking before an application; when that shuts down, what is left is written first."""
    tracking = Tracking(courier, https=https)

    async def both(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"][:3] in _PATHS:
            await tracking(scope, receive, send)
        elif scope["type"] == "lifespan":
            await app(scope, tracking.closing(receive), send)
        else:
            await app(scope, receive, send)

    return both


class Tracking:
    """One process's clicks and opens. All of it runs in the event loop, but for what asks the store."""

    def __init__(self, courier: Courier, *, https: bool) -> None:
        self._courier = courier
        self._links = Links(courier)
        self._headers = SECURITY + HTTPS if https else SECURITY
        self._hits: list[Hit] = []
        self._flushing: asyncio.Task[None] | None = None
        self._writing: asyncio.Future[int] | None = None
        self._asked: dict[int, asyncio.Future[None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="courierx-tracking")
        self._closing = self._again = False
        self._name, self._numbers = secrets.token_hex(5), count()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if method not in ("GET", "HEAD"):
            await self._answer(send, 405, (b"allow", b"GET, HEAD"))
            return
        kind = _PATHS[path[:3]]
        try:
            token = self._courier.tokens.read(path[3:])
            if token.kind != ("click" if kind == "clicked" else "open"):
                raise BadToken("This link is of another kind.")
            url = await self._url(token) if kind == "clicked" else ""
        except BadToken:
            await self._answer(send, 404)
            return
        except CourierXError as problem:
            log.warning("a click is not answered: %s", problem)
            await self._answer(send, 503, (b"retry-after", b"%d" % RETRY_AFTER_SECONDS))
            return
        self._note(kind, token, method, scope)
        if self._writing is not None and len(self._hits) > SET_FULL:
            await asyncio.wait([self._writing], timeout=PAUSE_SECONDS)
        if kind == "clicked":
            await self._answer(send, 302, (b"location", quote(url, safe=_URL_SAFE).encode("ascii")))
        else:
            body = b"" if method == "HEAD" else DOT
            await self._answer(send, 200, (b"content-type", b"image/gif"), body=body)

    def closing(self, receive: Receive) -> Receive:
        """Write what is left before the application hears that it shuts down."""

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.close()
            return message

        return heard

    async def close(self) -> None:
        """Write what there is; a store that is away now is not waited for."""
        self._closing = True
        if self._flushing is not None:
            await self._flushing
        self._threads.shutdown()

    # --- where a click leads

    async def _url(self, token: Token) -> str:
        if self._links.known(token.delivery_id) is None:
            await asyncio.shield(self._lookup(token.delivery_id))
        return self._links.url(token)

    def _lookup(self, delivery_id: int) -> asyncio.Future[None]:
        """Have a delivery looked up with all that are asked for meanwhile: one query, however many."""
        if delivery_id not in self._asked:
            self._asked[delivery_id] = asyncio.get_running_loop().create_future()
            if self._looking is None:
                self._looking = asyncio.create_task(self._look())
        return self._asked[delivery_id]

    async def _look(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                await self._in_thread(self._links.learn, asked.keys())
            except Exception as problem:
                for waiting in asked.values():
                    waiting.set_exception(problem)
                    waiting.exception()  # whoever asked may have gone
            else:
                for waiting in asked.values():
                    waiting.set_result(None)
        self._looking = None

    # --- hits

    def _note(self, kind: Kind, token: Token, method: str, scope: Message) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        hit = Hit(
            kind,
            self._courier.runtime.now(),
            token,
            f"{self._name}{next(self._numbers):x}",
            headers.get("user-agent", "")[:USER_AGENT_MAX].replace("\0", ""),
            is_machine(method, headers),
        )
        self._hits.append(hit)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        """Write sets until there are no more hits; the next hit begins again."""
        wait = FLUSH_SECONDS
        while self._hits:
            await asyncio.sleep(wait)
            began = time.monotonic()
            if await self._write():
                # who came during a long transaction has waited already
                wait = max(0.0, FLUSH_SECONDS - (time.monotonic() - began))
            elif self._closing:
                log.error("%s clicks and opens are lost: the store is away", len(self._hits))
                break
            else:
                wait = AGAIN_SECONDS
        self._flushing = None

    async def _write(self) -> bool:
        hits, self._hits = self._hits, []
        try:
            writing = self._in_thread(keep, self._courier, self._links, hits, again=self._again)
            self._writing = asyncio.ensure_future(writing)
            await self._writing
        except CourierXError as problem:
            self._hits, self._again = (hits + self._hits)[-HITS_MAX:], True
            log.warning("%s clicks and opens wait for the store: %s", len(self._hits), problem)
            return False
        except Exception:
            log.exception("%s clicks and opens cannot be kept", len(hits))
        finally:
            self._writing = None
        self._again = False
        return True

    async def _in_thread(self, act: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: act(*args, **options))

    async def _answer(self, send: Send, status: int, *given: tuple[bytes, bytes], body: bytes = b"") -> None:
        headers = [*given, (b"content-length", b"%d" % len(body)), *self._headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
