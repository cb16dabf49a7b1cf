"""A web server of the HTTP benchmark: ours, or the textbook shape."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from courierx_app.asgi import serve
from courierx_app.container import build
from courierx_app.settings import read
from tests.benchmarks import http_rival


def main(kind: str, rival_url: str, descriptor: str) -> None:
    app: Any = http_rival.app(rival_url) if kind == "fastapi" else _ours()
    options = uvicorn.Config(app, log_config=None, access_log=False)
    uvicorn.Server(options).run(sockets=[socket.socket(fileno=int(descriptor))])


def _ours() -> Any:
    configuration = read(Path.cwd(), os.environ)
    return serve(build(configuration), configuration.settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
