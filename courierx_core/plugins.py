"""Drivers and hooks: stevedore answers "which one?", pluggy asks "anyone else?". Nothing else imports them.

A driver fills a slot, is chosen by name, and only the chosen one is imported. A hook is open to every
installed plugin of the group `courierx.hooks`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

import msgspec
import pluggy

from courierx_core import hookspecs
from courierx_core.entry_points import entry_points, not_loaded, origin
from courierx_core.errors import MissingExtra, PluginError
from courierx_core.hooks import Hooks
from courierx_core.ports.driver import Driver
from courierx_core.ports.feedback import FeedbackSource
from courierx_core.ports.limiter import Limiter
from courierx_core.ports.queue import Queue
from courierx_core.ports.resolver import Resolver
from courierx_core.ports.store import Store
from courierx_core.ports.transport import Transport

API = 1
"""The version of the ports and hooks. A driver class, hook class or hook module may state the one it was
written for as `courierx_api`; another number than this is refused."""

HOOKS = "courierx.hooks"

D = TypeVar("D", bound=Driver[Any])


class Slot(Generic[D]):
    """One place that exactly one driver fills per instance: an entry-point group and its port."""

    def __init__(self, word: str, group: str, port: type[Any]) -> None:
        self.word, self.group, self.port = word, group, port

    def names(self) -> list[str]:
        """List what is installed, without importing any of it."""
        return sorted({point.name for point in entry_points(self.group)})

    def load(self, name: str) -> type[D]:
        """Import the driver of that name, and no other.

        Raises PluginError when it is not installed (naming what is), installed twice, broken (naming
        the extra it lacks), not of this slot's port, or of another API.
        """
        if name not in self.names():
            raise PluginError(
                f"There is no {self.word} called {name!r}; installed: {', '.join(self.names()) or 'none'}. "
                "A plugin is added by installing its package."
            )
        point, found = _load_driver(self.group, name)
        if not (inspect.isclass(found) and issubclass(found, self.port)):
            raise PluginError(f"The {self.word} {name!r} ({point.value}) is not a {self.port.__name__}.")
        _require_api(found, f"The {self.word} {name!r} of {origin(point)}")
        return cast(type[D], found)


TRANSPORTS: Slot[Transport[Any]] = Slot("transport", "courierx.transports", Transport)
FEEDBACK: Slot[FeedbackSource[Any]] = Slot("feedback source", "courierx.feedback", FeedbackSource)
QUEUES: Slot[Queue[Any]] = Slot("queue", "courierx.queues", Queue)
STORES: Slot[Store[Any]] = Slot("store", "courierx.stores", Store)
LIMITERS: Slot[Limiter[Any]] = Slot("limiter", "courierx.limiters", Limiter)
RESOLVERS: Slot[Resolver[Any]] = Slot("resolver", "courierx.resolvers", Resolver)
SLOTS: tuple[Slot[Any], ...] = (TRANSPORTS, FEEDBACK, QUEUES, STORES, LIMITERS, RESOLVERS)


def _load_driver(group: str, name: str) -> tuple[EntryPoint, object]:
    from stevedore.driver import DriverManager
    from stevedore.exception import MultipleMatches

    class Drivers(DriverManager[Any]):
        def list_entry_points(self) -> list[EntryPoint]:
            # stevedore's own list comes from a disk cache keyed by mtimes in steps of 128 seconds.
            return entry_points(group)

    def fail(manager: object, point: EntryPoint, problem: BaseException) -> None:
        raise not_loaded(point, problem) from problem

    try:
        found = Drivers(group, name, invoke_on_load=False, on_load_failure_callback=fail)
    except MultipleMatches:
        owners = [origin(point) for point in entry_points(group) if point.name == name]
        raise PluginError(f"{name!r} in {group} is installed twice, by: {', '.join(owners)}.") from None
    except (AssertionError, SystemExit) as problem:  # which stevedore lets through
        raise not_loaded(
            next(point for point in entry_points(group) if point.name == name), problem
        ) from problem
    extension = found.extensions[0]
    return extension.entry_point, extension.plugin


def _require_api(plugin: object, who: str) -> None:
    written_for = getattr(plugin, "courierx_api", API)
    if written_for != API:
        raise PluginError(f"{who} was written for plugin API {written_for}; this CourierX has API {API}.")


def register(plugins: Sequence[tuple[str, object]] = (), *, specs: Iterable[ModuleType] = ()) -> Hooks:
    """Register (name, module or object) in the order they are to be asked; `tryfirst` and `trylast` are
    respected. `specs` are modules with hook specifications beside the core's own.

    Raises PluginError for an implementation that fits no specification.
    """
    manager = _manager(specs)
    # pluggy asks the last registered first.
    for name, plugin in reversed(plugins):
        _register(manager, name, plugin)
    return Hooks(manager)


def _manager(specs: Iterable[ModuleType]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager("courierx")
    for spec in (hookspecs, *specs):
        manager.add_hookspecs(spec)
    return manager


def _register(manager: pluggy.PluginManager, name: str, plugin: object) -> None:
    try:
        manager.register(plugin, name)
        manager.check_pending()
        _require_no_wrapper(manager, plugin)
    except (pluggy.PluginValidationError, ValueError) as problem:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise PluginError(f"The plugin {name!r} does not fit: {problem}") from problem


def _require_no_wrapper(manager: pluggy.PluginManager, plugin: object) -> None:
    for caller in manager.get_hookcallers(plugin) or ():
        if any(
            each.plugin is plugin and (each.wrapper or each.hookwrapper) for each in caller.get_hookimpls()
        ):
            raise ValueError(f"it wraps {caller.name}; CourierX asks one by one.")


def load_hooks(
    *, disabled: Collection[str] = (), required: Collection[str] = (), specs: Iterable[ModuleType] = ()
) -> Hooks:
    """Load every installed hook plugin that is not disabled: the built-in ones first, then by name.

    One that cannot be loaded is in quarantine (`Hooks.quarantined`), unless it is built in or `required`:
    then PluginError, as for a name in `disabled` or `required` that nobody has.
    """
    points = _hook_points()
    for setting, names in (("DISABLE", disabled), ("REQUIRE", required)):
        if unknown := sorted(set(names) - {point.name for point in points}):
            raise PluginError(
                f"COURIERX_{setting}_PLUGINS names {', '.join(unknown)}, which is not installed; "
                f"installed: {', '.join(point.name for point in points) or 'none'}."
            )
    if both := sorted(set(disabled) & set(required)):
        raise PluginError(
            f"{', '.join(both)} is in COURIERX_DISABLE_PLUGINS and in COURIERX_REQUIRE_PLUGINS."
        )
    manager = _manager(specs)
    broken: dict[str, PluginError] = {}
    for point in reversed([point for point in points if point.name not in disabled]):
        try:
            _register(manager, point.name, _load_hook(point))
        except PluginError as problem:
            if _is_ours(point) or point.name in required:
                raise
            broken[point.name] = problem
    return Hooks(manager, broken)


def _hook_points() -> list[EntryPoint]:
    points = entry_points(HOOKS)
    names = [point.name for point in points]
    for name in names:
        if names.count(name) > 1:
            owners = [origin(point) for point in points if point.name == name]
            raise PluginError(f"{name!r} in {HOOKS} is installed twice, by: {', '.join(owners)}.")
    return sorted(points, key=lambda point: (not _is_ours(point), point.name))


def _is_ours(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == "courierx"


def _load_hook(point: EntryPoint) -> object:
    try:
        plugin = point.load()
        _require_api(plugin, f"The plugin {point.name!r} of {origin(point)}")
        return plugin() if inspect.isclass(plugin) else plugin
    except PluginError:
        raise
    except (Exception, SystemExit) as problem:
        raise not_loaded(point, problem) from problem


State: TypeAlias = Literal["chosen", "installed", "disabled", "needs_extra", "broken", "quarantined"]


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `courierx plugins`."""

    group: str
    name: str
    target: str
    origin: str
    state: State
    """broken: it raises, or does not fit; quarantined: a broken hook plugin, which is left out."""
    why: str = ""


def installed(
    *,
    chosen: Mapping[str, Collection[str]] | None = None,
    disabled: Collection[str] = (),
    specs: Iterable[ModuleType] = (),
) -> list[Installed]:
    """List every plugin, importing each to see whether it works. `chosen` is group -> driver names."""
    listing = []
    for slot in SLOTS:
        for point in entry_points(slot.group):
            picked = point.name in (chosen or {}).get(slot.group, ())
            state: State = "chosen" if picked else "installed"
            listing.append(_listed(slot.group, point, state, partial(slot.load, point.name)))
    for point in entry_points(HOOKS):
        state = "disabled" if point.name in disabled else "chosen"
        listing.append(_listed(HOOKS, point, state, partial(_try_hook, point, tuple(specs))))
    return listing


def _try_hook(point: EntryPoint, specs: Iterable[ModuleType]) -> None:
    manager = _manager(specs)
    _register(manager, point.name, _load_hook(point))
    hooks = Hooks(manager)
    hooks.template_filters()
    if hooks.quarantined:
        raise PluginError(hooks.quarantined[point.name])


def _listed(group: str, point: EntryPoint, state: State, load: Callable[[], object]) -> Installed:
    line = Installed(group=group, name=point.name, target=point.value, origin=origin(point), state=state)
    if state == "disabled":
        return line
    try:
        load()
    except MissingExtra as problem:
        return msgspec.structs.replace(line, state="needs_extra", why=str(problem))
    except PluginError as problem:
        return msgspec.structs.replace(
            line, state="quarantined" if group == HOOKS else "broken", why=str(problem)
        )
    return line
