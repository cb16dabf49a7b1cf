"""Logging of a process: one line each on stderr."""

from __future__ import annotations

import logging
import os


def configure() -> None:
    """Log at COURIERX_LOG_LEVEL (INFO by default); libraries only when something is wrong."""
    level = os.environ.get("COURIERX_LOG_LEVEL", "").strip().upper() or "INFO"
    known = logging.getLevelNamesMapping()
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    for name in ("courierx_core", "courierx_app"):
        logging.getLogger(name).setLevel(known.get(level, logging.INFO))
