"""Reading providers' webhooks: JSON of theirs that may lack, or twist, anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from courierx_core import InvalidInput

AHEAD = timedelta(minutes=5)
"""How wrong our own clock may be."""


def decoded(body: bytes) -> Any:
    """Decode a webhook. Raises InvalidInput."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError) as problem:
        raise InvalidInput.of("body", "invalid", f"is no JSON: {problem}") from problem


def an_object(found: object, name: str = "body") -> Mapping[str, Any]:
    """Return what must be an object. Raises InvalidInput."""
    if isinstance(found, dict):
        return found
    raise InvalidInput.of(name, "invalid", "is no JSON object")


def section(found: object) -> Mapping[str, Any]:
    """Return what may be an object, else an empty one."""
    return found if isinstance(found, dict) else {}


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def number(value: object) -> str:
    """Return an id that is written as a number or as a text."""
    return str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""


def moment(value: object, name: str) -> datetime:
    """Read a time, in ISO 8601 with its offset or in Unix seconds. Raises InvalidInput."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, timezone.utc)
        found = datetime.fromisoformat(text(value))
    except (ValueError, OverflowError, OSError) as problem:
        raise InvalidInput.of(name, "invalid", "is no time") from problem
    if found.tzinfo is None:
        raise InvalidInput.of(name, "invalid", "is a time without an offset")
    return found


def is_fresh(stamp: str, now: datetime, within: timedelta) -> bool:
    """Tell whether a time in Unix seconds is so near to now, by a clock of ours that may be a bit behind."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
        return False
    return -AHEAD.total_seconds() <= now.timestamp() - int(stamp) <= within.total_seconds()
