"""`.env` files: NAME=value lines, as shells and compose read them."""

from __future__ import annotations

import re
from pathlib import Path

from courierx_core.errors import ConfigError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def read(path: Path) -> dict[str, str]:
    """Read a `.env` file; a file that does not exist is empty. Raises ConfigError naming the line."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} cannot be read: {problem}") from None
    return parse(text, str(path))


def parse(text: str, where: str = ".env") -> dict[str, str]:
    """Parse lines of NAME=value. Double quotes know \\n, \\t, \\" and \\\\; a bare value ends at ` #`."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        value = _value(found[2]) if found else None
        if found is None or value is None:
            # The line may hold a password: name its place, not its text.
            raise ConfigError(f"{where} line {number} is not NAME=value")
        values[found[1]] = value
    return values


def _value(raw: str) -> str | None:
    if raw.startswith('"'):
        quoted = _DOUBLE.fullmatch(raw)
        return quoted and re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), quoted[1])
    if raw.startswith("'"):
        quoted = _SINGLE.fullmatch(raw)
        return quoted and quoted[1]
    if raw.startswith("#"):
        return ""
    return re.split(r"\s#", raw, maxsplit=1)[0].strip()
