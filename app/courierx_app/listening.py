"""The listening sockets of our servers."""

from __future__ import annotations

import errno
import socket

from courierx_core.errors import ConfigError


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one. Raises ConfigError."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as problem:
        raise ConfigError(f"--host {host}: {problem.strerror or problem}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(1024)
    except OSError as problem:
        listener.close()
        if problem.errno == errno.EADDRINUSE:
            raise ConfigError(f"Port {port} of {host} is in use; choose another with --port.") from None
        raise ConfigError(f"{host} port {port} cannot be used: {problem.strerror or problem}") from None
    return listener
