"""Logging of a process: on stderr, with the ids of what a line is about, and nothing that S18 forbids."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timezone

import msgspec

from courierx_app.redaction import redacted
from courierx_app.settings import Settings
from courierx_core.log_ids import IDS

OURS = "courierx"
"""How the names of our loggers begin, and those of the plugins that follow us."""
ID_NAMES = (
    "request_id", "tenant_id", "campaign_id", "message_id", "delivery_id", "work_id", "transport", "key_id",
)  # fmt: skip
"""The ids a line may carry, bound by `log_ids.about` or given as `extra`, in this order."""


def configure(settings: Settings) -> None:
    """Log our own lines from COURIERX_LOG_LEVEL on, those of libraries only when something is wrong."""
    handler = logging.StreamHandler()
    handler.addFilter(ours_or_wrong)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)


def ours_or_wrong(record: logging.LogRecord) -> bool:
    """Filter: our own lines, and whatever is a warning."""
    return record.levelno >= logging.WARNING or record.name.startswith(OURS)


def ids_of(record: logging.LogRecord) -> Mapping[str, str | int]:
    """Return the ids that a line is about."""
    bound = IDS.get()
    found = {name: getattr(record, name, bound.get(name)) for name in ID_NAMES}
    return {name: value for name, value in found.items() if value is not None}


class TextLines(logging.Formatter):
    """`time LEVEL logger [request_id=... tenant_id=...]: message`, and a traceback below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(ids)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def format(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={value}" for name, value in ids_of(record).items())
        record.ids = f" [{ids}]" if ids else ""
        return redacted(super().format(record))


class JsonLines(logging.Formatter):
    """A JSON object a line: time, level, logger, message, the ids, and `error`, a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(record.getMessage()),
            **ids_of(record),
        }
        if record.exc_info:
            line["error"] = redacted(self.formatException(record.exc_info))
        return msgspec.json.encode(line).decode()
