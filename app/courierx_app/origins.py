"""Where each setting comes from: environment, .env, courierx.toml, default; secrets never shown."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from courierx_app.container import chosen
from courierx_app.settings import DOTENV, FILE, Configuration
from courierx_core.config import env_name, is_secret
from courierx_core.ports.driver import Secret


class Origin(msgspec.Struct, frozen=True):
    """One line of `courierx config show`."""

    name: str
    value: str
    source: str


def origins(configuration: Configuration) -> list[Origin]:
    """List the application's settings, then those of every driver that is chosen."""
    found = _of(configuration.settings, configuration.own_table, configuration, configuration.environ, "")
    for each in chosen(configuration):
        prefix = f"{each.slot.group.removeprefix('courierx.')}.{each.name}."
        named = {line.name for line in found}
        lines = _of(each.config, each.table, configuration, each.environ, prefix)
        found += [line for line in lines if line.name not in named]
    return found


def _of(
    values: msgspec.Struct,
    table: Mapping[str, object],
    configuration: Configuration,
    environ: Mapping[str, str],
    prefix: str,
) -> list[Origin]:
    lines = []
    for field in msgspec.structs.fields(values):
        variable = env_name(field.type)
        source = "default"
        if variable and variable in environ:
            dotted = configuration.dotenv.get(variable) == environ[variable]
            source = DOTENV if dotted else "environment"
        elif field.name in table:
            source = FILE
        value = getattr(values, field.name)
        shown = _shown(value) if is_secret(field.type) else _text(value)
        lines.append(Origin(variable or f"{prefix}{field.name}", shown, source))
    return lines


def _text(value: object) -> str:
    if isinstance(value, (tuple, list, frozenset)):
        return ",".join(_text(each) for each in value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: object) -> str:
    """Hide a secret; of a URL show where it leads, without its user and password."""
    if isinstance(value, (tuple, list)):
        return ",".join(_shown(each) for each in value)
    if not isinstance(value, Secret) or not value:
        return ""
    text = value.reveal()
    parts = urlsplit(text)
    if not parts.scheme or "://" not in text:
        return "***"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{'***@' if '@' in parts.netloc else ''}{host}{parts.path}"
