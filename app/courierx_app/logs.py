"""Logging of a process: one line each on stderr, with the id of the request it is about."""

from __future__ import annotations

import logging
import os
from contextvars import ContextVar

REQUEST: ContextVar[str] = ContextVar("courierx_request", default="")
"""The id of the request that is being answered; '' outside of one."""


def configure() -> None:
    """Log at COURIERX_LOG_LEVEL (INFO by default); libraries only when something is wrong."""
    level = os.environ.get("COURIERX_LOG_LEVEL", "").strip().upper() or "INFO"
    known = logging.getLevelNamesMapping()
    handler = logging.StreamHandler()
    handler.addFilter(name_request)
    logging.basicConfig(
        level=logging.WARNING,
        handlers=[handler],
        format="%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    for name in ("courierx_core", "courierx_app"):
        logging.getLogger(name).setLevel(known.get(level, logging.INFO))


def name_request(record: logging.LogRecord) -> bool:
    """Give a line the id of its request; a filter that lets everything through."""
    request = REQUEST.get()
    record.request = f" [{request}]" if request else ""
    return True
