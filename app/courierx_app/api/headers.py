"""Headers of every answer: its request's id, and what a browser must not do with it."""

from __future__ import annotations

from litestar.types import Message, Scope

from courierx_app.api.request_id import HEADER, request_id

SECURITY: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""What an answer gets unless its route says otherwise: a page brings a policy of its own."""
HTTPS: tuple[tuple[bytes, bytes], ...] = ((b"strict-transport-security", b"max-age=31536000"),)
"""Where COURIERX_PUBLIC_URL is https: a year, which browsers obey only when they came over https."""


async def add_headers(message: Message, scope: Scope) -> None:
    """Add them to an answer as it begins."""
    if message["type"] != "http.response.start":
        return
    given = list(message["headers"])
    names = {name.lower() for name, _ in given}
    wanted = SECURITY + HTTPS if scope["litestar_app"].state.https else SECURITY
    given += [pair for pair in wanted if pair[0] not in names]
    given.append((HEADER.lower().encode(), request_id(scope).encode()))
    message["headers"] = given
