"""The API's process, as the supervisor starts it: serves a socket that is bound already."""

from __future__ import annotations

import argparse
import os
import socket
import threading
from pathlib import Path
from types import FrameType

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
    configuration = read(Path.cwd(), os.environ)
    configure(configuration.settings)
    ending = threading.Event()
    app = serve(build(configuration), configuration.settings, dev=given.dev, ending=ending)
    options = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        # Whom to believe about the client's address is COURIERX_TRUSTED_PROXIES' business alone.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Server(options, ending).run(sockets=[socket.socket(fileno=given.fd)])


class _Server(uvicorn.Server):
    """Sets `ending` at once when it is told to stop: uvicorn tells the application after the last answer."""

    def __init__(self, config: uvicorn.Config, ending: threading.Event) -> None:
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending.set()
        super().handle_exit(sig, frame)


if __name__ == "__main__":
    main()
