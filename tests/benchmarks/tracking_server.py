"""A web server of the tracking benchmark: ours, or the plain shape: a Litestar route, an INSERT a hit."""

from __future__ import annotations

import socket
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Response, get
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, create_engine, insert

from courierx_app.asgi import serve
from courierx_app.container import build
from courierx_app.public.tracking import DOT
from courierx_app.settings import read
from courierx_core.courier import Courier
from courierx_core.tracking.links import Links

HITS = Table(
    "bench_hits",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("delivery_id", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
)


def plain(courier: Courier, url: str) -> Litestar:
    """Verify the token, know the URL from memory, insert one row, commit: the least such a route does."""
    engine, links = create_engine(url, pool_size=20), Links(courier)

    def keep(kind: str, token: str) -> str:
        read_ = courier.tokens.read(token)
        target = links.learn([read_.delivery_id])[read_.delivery_id]
        courier.tokens.verify(read_, target.tenant_id)
        hit = {"at": datetime.now(timezone.utc), "kind": kind, "delivery_id": read_.delivery_id}
        with engine.begin() as connection:
            connection.execute(insert(HITS), {**hit, "url": target.links[0], "user_agent": "bench"})
        return target.links[0]

    @get("/c/{token:str}", sync_to_thread=True)
    def click(token: str) -> Response[Any]:
        return Response(None, status_code=302, headers={"Location": keep("clicked", token)})

    @get("/o/{token:str}", sync_to_thread=True)
    def open_(token: str) -> Response[bytes]:
        keep("opened", token)
        return Response(DOT, media_type="image/gif")

    return Litestar([click, open_], openapi_config=None, logging_config=None)


def main(kind: str, url: str, rival_url: str, descriptor: str) -> None:
    configuration = read(Path.cwd(), {"DATABASE_URL": url, "COURIERX_SECRET_KEY": "bench"})
    courier = build(configuration)
    app: Any = serve(courier, configuration.settings) if kind == "ours" else plain(courier, rival_url)
    options = uvicorn.Config(app, log_config=None, access_log=False)
    uvicorn.Server(options).run(sockets=[socket.socket(fileno=int(descriptor))])


if __name__ == "__main__":
    main(*sys.argv[1:])
