"""Logging of a process: one line each on stderr, with the id of the request it is about."""

from __future__ import annotations

import logging
import os
import re
from contextvars import ContextVar

REQUEST: ContextVar[str] = ContextVar("courierx_request", default="")
"""The id of the request that is being answered; '' outside of one."""

PRIVATE = re.compile(
    r"(?P<key>\bcx_\d+_)[\w-]+"
    r"|(?P<login>://[^\s/:@]*:)[^\s/@]+(?=@)"
    r"|[\w.!#$%&'*+/=?^`{|}~-]+(?=@[\w-]+\.\w)"
    r"|(?P<detail>^DETAIL: ).*",
    re.MULTILINE,
)
"""The secret of a key, the password in a URL, what stands before the @ of an address, and the row that
PostgreSQL shows with an error."""


class Discreet(logging.Formatter):
    """Write no whole address, key or password, whoever logs it and in whatever traceback (SECURITY: S18)."""

    def format(self, record: logging.LogRecord) -> str:
        return PRIVATE.sub(_hidden, super().format(record))


def _hidden(found: re.Match[str]) -> str:
    return f"{found['key'] or found['login'] or found['detail'] or ''}***"


def configure() -> None:
    """Log at COURIERX_LOG_LEVEL (INFO by default); libraries only when something is wrong."""
    level = os.environ.get("COURIERX_LOG_LEVEL", "").strip().upper() or "INFO"
    known = logging.getLevelNamesMapping()
    handler = logging.StreamHandler()
    handler.addFilter(name_request)
    handler.setFormatter(
        Discreet("%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("courierx_core", "courierx_app"):
        logging.getLogger(name).setLevel(known.get(level, logging.INFO))


def name_request(record: logging.LogRecord) -> bool:
    """Give a line the id of its request; a filter that lets everything through."""
    request = REQUEST.get()
    record.request = f" [{request}]" if request else ""
    return True
