"""The API's process, as the supervisor starts it: serves a socket that is bound already."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path

import uvicorn

from courierx_app.asgi import serve
from courierx_app.container import build
from courierx_app.logs import configure
from courierx_app.parent import follow_parent
from courierx_app.settings import read

GRACE_SECONDS = 20


def main() -> None:
    """Serve until SIGTERM; requests under way are answered first."""
    parser = argparse.ArgumentParser(prog="python -m courierx_app.api_process")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--dev", action="store_true")
    given = parser.parse_args()
    follow_parent()
    configure()
    configuration = read(Path.cwd(), os.environ)
    app = serve(build(configuration), configuration.settings, dev=given.dev)
    options = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        # Whom to believe about the client's address is COURIERX_TRUSTED_PROXIES' business alone.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    uvicorn.Server(options).run(sockets=[socket.socket(fileno=given.fd)])


if __name__ == "__main__":
    main()
