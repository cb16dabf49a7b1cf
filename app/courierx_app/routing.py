"""Where mail goes and how fast, as courierx.toml says it: `[routes.NAME]`, `[rates]`, `[warmup.NAME]`."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any, TypeVar

import msgspec

from courierx_core.config import load
from courierx_core.errors import ConfigError, InvalidInput
from courierx_core.mail.address import normalise
from courierx_core.ports.limiter import Rate
from courierx_core.transports.routes import Route
from courierx_core.transports.warmup import Warmup

UNITS = {"second": 1, "minute": 60, "hour": 3600}
T = TypeVar("T", bound=msgspec.Struct)
_RATE = re.compile(rf"([1-9][0-9]{{0,8}}) ?/ ?({'|'.join(UNITS)})")


def read_routes(
    tables: Mapping[str, dict[str, Any]], transports: Container[str], file: str, problems: list[str]
) -> dict[str, Route]:
    """Read `[routes.NAME]` tables; add to `problems` what is wrong with each."""
    found = {}
    for name, table in tables.items():
        where = f"[routes.{name}] of {file}"
        if name in transports:
            problems.append(f"{where}: {name} is a transport already; call the route another name")
        route = _loaded(Route, table, where, problems)
        if route is None:
            continue
        found[name] = route
        problems += [
            f"{where}: {each} is a route; a route takes transports" for each in route.names if each in tables
        ]
    return found


def read_warmups(
    tables: Mapping[str, dict[str, Any]], transports: Container[str], file: str, problems: list[str]
) -> dict[str, Warmup]:
    """Read `[warmup.NAME]` tables; add to `problems` what is wrong with each."""
    found = {}
    for name, table in tables.items():
        where = f"[warmup.{name}] of {file}"
        if name not in transports:
            problems.append(f"{where}: there is no [transports.{name}]; a warm-up is called as its transport")
        if warmup := _loaded(Warmup, table, where, problems):
            found[name] = warmup
    return found


def _loaded(kind: type[T], table: dict[str, Any], where: str, problems: list[str]) -> T | None:
    try:
        return load(kind, table=table, environ={}, where=where)
    except ConfigError as problem:
        problems.append(str(problem))
        return None


def read_rates(table: Mapping[str, str], file: str, problems: list[str]) -> dict[str, Rate]:
    """Read `[rates]`, `"example.com" = "20/second"`; add to `problems` what is wrong with each."""
    found = {}
    for domain, text in table.items():
        where, rate = f"[rates] of {file}: {domain}", _RATE.fullmatch(text)
        if rate is None:
            problems.append(f"{where}: got {text!r}; it takes a number a second, minute or hour: 20/second")
            continue
        try:
            found[normalise(f"x@{domain}").partition("@")[2]] = Rate(int(rate[1]), UNITS[rate[2]])
        except InvalidInput:
            problems.append(f"{where} is not a domain; it takes one such as example.com")
    return found
