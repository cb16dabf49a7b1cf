"""What `courierx doctor` says: the application's own findings, then each driver's."""

from __future__ import annotations

import stat
from typing import Any

from courierx_app import secret_key
from courierx_app.container import (
    Chosen,
    chosen,
    chosen_names,
    default_transport,
    hooks_of,
    listing,
    policy_of,
    runtime_of,
)
from courierx_app.settings import Configuration
from courierx_core import adoption
from courierx_core.domains import checkup as domains
from courierx_core.errors import CourierXError
from courierx_core.plugins import HOOKS, STORES, TRANSPORTS
from courierx_core.ports.driver import Problem, Runtime, checked
from courierx_core.ports.store import Store
from courierx_core.transports.service import way_on
from courierx_core.webhooks import checkup as webhooks


def checkup(configuration: Configuration) -> list[Problem]:
    """Check everything without starting or writing anything."""
    found = _keys(configuration) + _addresses(configuration)
    try:
        found += _plugins(configuration)
        drivers = chosen(configuration)
    except CourierXError as problem:
        return [*found, *(Problem("error", problem.code, line) for line in str(problem).splitlines())]
    if not any(each.slot is TRANSPORTS for each in drivers):
        found.append(_no_transport(configuration))
    for each in drivers:
        found += _driver(each, configuration)
    return found + _routes(configuration)


def _routes(configuration: Configuration) -> list[Problem]:
    default = default_transport(configuration)
    return [
        *(
            Problem("info", "route", f"{name}: {route}{' (default)' if name == default else ''}.")
            for name, route in configuration.routes.items()
        ),
        *(
            Problem("info", "rate", f"{domain}: at most {each.count:,} in {each.seconds} s, over each.")
            for domain, each in configuration.rates.items()
        ),
        *(
            Problem("info", "warmup", f"{name} is warmed up: {warmup}.")
            for name, warmup in configuration.warmups.items()
        ),
    ]


def _plugins(configuration: Configuration) -> list[Problem]:
    """Try every installed plugin, as far as that goes without starting it: import, make, fit, filters."""
    hooks_of(configuration.settings)  # which says what keeps a process from starting
    found_plugins = listing(configuration)
    loaded = [each.name for each in found_plugins if each.group == HOOKS and each.state == "chosen"]
    found = [Problem("info", "plugins", f"hook plugins: {', '.join(loaded) or 'none'}.")]
    chosen_already = chosen_names(configuration)
    for each in found_plugins:
        if each.state == "quarantined":
            remedy = f"Mend it, or set COURIERX_DISABLE_PLUGINS={each.name}; until then it is left out."
            found.append(Problem("error", "plugin_quarantined", each.why, remedy))
        elif each.state == "broken" and each.name not in chosen_already[each.group]:
            found.append(Problem("warning", "plugin_broken", each.why, "Nothing uses it."))
    return found


def _keys(configuration: Configuration) -> list[Problem]:
    settings, path = configuration.settings, configuration.folder / secret_key.FILE
    try:
        secret_key.require_key(settings, configuration.folder)
    except CourierXError as problem:
        return [Problem("error", "no_secret_key", str(problem))]
    if settings.secret_key or not path.exists():
        return []
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        text = f"{path.name} can be read by others on this machine."
        return [Problem("warning", "key_file_open", text, f"Run: chmod 600 {path.name}")]
    return []


def _addresses(configuration: Configuration) -> list[Problem]:
    settings = configuration.settings
    if settings.public_url or settings.environment == "development":
        return []
    remedy = "Set COURIERX_PUBLIC_URL to the address that recipients reach."
    return [Problem("error", "no_public_url", "Unsubscribe links would lead nowhere.", remedy)]


def _no_transport(configuration: Configuration) -> Problem:
    remedy = "Set COURIERX_TRANSPORT, or [transports.NAME] in courierx.toml."
    return Problem("error", "no_transport", "No transport is chosen: nothing can be sent.", remedy)


def _store(store: Store[Any], runtime: Runtime, configuration: Configuration) -> list[Problem]:
    """Say what is in the database that keeps mail from going out."""
    if not (revision := store.revision()):
        return [Problem("warning", "no_schema", "The database is empty.", "Run: courierx db upgrade")]
    if store.outdated():
        what = f"The database is at schema {revision}, older than this version needs."
        return [Problem("error", "old_schema", what, "Run: courierx db upgrade")]
    found = _paused(store) + _left_out(store) + webhooks.checkup(store)
    if why := adoption.needed(store, runtime, policy_of(configuration)):
        return [*found, Problem("error", "needs_adoption", f"Nothing is sent: {why}.", adoption.WAY_ON)]
    return [*found, *domains.checkup(store, can_look=bool(configuration.settings.resolver))]


def _paused(store: Store[Any]) -> list[Problem]:
    with store.platform(write=False) as platform:
        return [
            Problem(
                "warning", "transport_paused", f"{each.name} is paused: {each.reason}.", way_on(each.name)
            )
            for each in platform.transports.paused()
        ]


def _left_out(store: Store[Any]) -> list[Problem]:
    with store.platform(write=False) as platform:
        return [
            Problem(
                "error",
                "plugin_left_out",
                f"{each.plugin} is left out by {each.workers} of {platform.workers()} workers: {each.why}.",
                "Their logs say more. Mend it, and restart them.",
            )
            for each in platform.left_out()
        ]


def _driver(each: Chosen, configuration: Configuration) -> list[Problem]:
    runtime = runtime_of(configuration)
    found: list[Problem] = []
    try:
        driver = each.make(runtime)
    except CourierXError as problem:
        return [Problem("error", problem.code, str(problem))]
    try:
        found += checked(driver)
        # what an older schema lacks cannot be asked for
        if each.slot is STORES and not any(problem.level == "error" for problem in found):
            found += _store(driver, runtime, configuration)
    except CourierXError as problem:
        found.append(Problem("error", problem.code, str(problem)))
    finally:
        driver.close()
    default = (
        " (default)" if each.slot is TRANSPORTS and each.name == default_transport(configuration) else ""
    )
    if not any(problem.level == "error" for problem in found):
        found.append(Problem("info", each.slot.word, f"{each.name}: {each.driver_name}{default}."))
    return found
