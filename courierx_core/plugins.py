"""Drivers and hooks: stevedore answers "which one?", pluggy asks "anyone else?". Nothing else imports them.

A driver fills a slot, is chosen by name, and only the chosen one is imported. A hook is open to every
installed plugin of the group `courierx.hooks`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast

import msgspec
import pluggy

from courierx_core.entry_points import entry_points, origin, why_broken
from courierx_core.errors import PluginError
from courierx_core.ports.driver import Driver
from courierx_core.ports.feedback import FeedbackSource
from courierx_core.ports.limiter import Limiter
from courierx_core.ports.queue import Queue
from courierx_core.ports.resolver import Resolver
from courierx_core.ports.store import Store
from courierx_core.ports.transport import Transport

if TYPE_CHECKING:
    from courierx_core.courier import Courier
    from courierx_core.messages.model import Message, Recipient
    from courierx_core.ports.ledger import Outcome
    from courierx_core.templates.model import Template

API = 1
"""The version of the ports and hooks. A driver class, hook class or hook module may state the one it was
written for as `courierx_api`; another number than this is refused."""

HOOKS = "courierx.hooks"

hookspec = pluggy.HookspecMarker("courierx")
hookimpl = pluggy.HookimplMarker("courierx")

D = TypeVar("D", bound=Driver[Any])
log = logging.getLogger(__name__)


class HookFailed(PluginError):
    """A guard raised: what it guards must not go on."""

    code = "hook_failed"

    def __init__(self, plugin: str, hook: str, why: str) -> None:
        super().__init__(f"Plugin {plugin} failed in {hook}: {why}")
        self.plugin, self.hook = plugin, hook


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
        assert isinstance(problem, Exception)
        why = why_broken(point, problem)
        raise PluginError(f"The plugin {name!r} of {origin(point)} cannot be loaded: {why}") from problem

    try:
        found = Drivers(group, name, invoke_on_load=False, on_load_failure_callback=fail)
    except MultipleMatches:
        owners = [origin(point) for point in entry_points(group) if point.name == name]
        raise PluginError(f"{name!r} in {group} is installed twice, by: {', '.join(owners)}.") from None
    extension = found.extensions[0]
    return extension.entry_point, extension.plugin


def _require_api(plugin: object, who: str) -> None:
    written_for = getattr(plugin, "courierx_api", API)
    if written_for != API:
        raise PluginError(f"{who} was written for plugin API {written_for}; this CourierX has API {API}.")


class _Call(msgspec.Struct, frozen=True):
    """One implementation of a hook, in its place in the order."""

    plugin: str
    hook: str
    function: Callable[..., Any]
    argnames: tuple[str, ...]

    def __call__(self, **given: object) -> Any:
        return self.function(*[given[name] for name in self.argnames])

    def guarded(self, **given: object) -> Any:
        try:
            return self(**given)
        except Exception as problem:
            raise HookFailed(self.plugin, self.hook, f"{type(problem).__name__}: {problem}") from problem


class Hooks:
    """The typed face of the plugin manager: one method per hook, which holds that hook's rule.

    `plugins` are (name, module or object) in the order they are to be asked; `tryfirst` and `trylast` are
    respected. `specs` are modules with hook specifications beside the core's own. Raises PluginError
    for an implementation that fits no specification.
    """

    def __init__(
        self, plugins: Sequence[tuple[str, object]] = (), *, specs: Iterable[ModuleType] = ()
    ) -> None:
        from courierx_core import hookspecs

        self._manager = pluggy.PluginManager("courierx")
        for spec in (hookspecs, *specs):
            self._manager.add_hookspecs(spec)
        # pluggy asks the last registered first.
        for name, plugin in reversed(plugins):
            try:
                self._manager.register(plugin, name)
                self._manager.check_pending()
            except (pluggy.PluginValidationError, ValueError) as problem:
                raise PluginError(f"The plugin {name!r} does not fit: {problem}") from problem
        self._quarantined: set[str] = set()
        self._filters: dict[str, Callable[..., object]] | None = None
        self._block = self.calls("courierx_block")
        self._after_send = self.calls("courierx_after_send")

    def calls(self, hook: str) -> tuple[_Call, ...]:
        """Return a hook's implementations in the order they are asked."""
        caller = getattr(self._manager.hook, hook)
        found = []
        for each in reversed(caller.get_hookimpls()):
            if each.wrapper or each.hookwrapper:
                raise PluginError(f"The plugin {each.plugin_name!r} wraps {hook}; CourierX asks one by one.")
            found.append(_Call(each.plugin_name, hook, each.function, tuple(each.argnames)))
        return tuple(found)

    def order(self) -> dict[str, list[str]]:
        """Return hook -> names of the plugins that implement it, in the order they are asked."""
        names = sorted(name for name in vars(self._manager.hook) if name.startswith("courierx_"))
        asked = {name: [call.plugin for call in self.calls(name)] for name in names}
        return {name: plugins for name, plugins in asked.items() if plugins}

    def startup(self, courier: Courier) -> None:
        """Tell every plugin that the process is assembled. Raises HookFailed: the process must not start."""
        for call in self.calls("courierx_startup"):
            call.guarded(courier=courier)

    def template_filters(self) -> dict[str, Callable[..., object]]:
        """Collect the template filters. Raises PluginError where two plugins offer one name."""
        if self._filters is None:
            self._filters = self._collect_filters()
        return dict(self._filters)

    def _collect_filters(self) -> dict[str, Callable[..., object]]:
        filters: dict[str, Callable[..., object]] = {}
        owner: dict[str, str] = {}
        for call in self.calls("courierx_template_filters"):
            for name, function in call.guarded().items():
                if name in filters:
                    raise PluginError(
                        f"The template filter {name!r} is offered by {owner[name]} and by {call.plugin}; "
                        "disable one with COURIERX_DISABLE_PLUGINS."
                    )
                filters[name], owner[name] = function, call.plugin
        return filters

    def transform_template(self, template: Template) -> Template:
        """Pass a template through every plugin in order. Raises HookFailed."""
        for call in self.calls("courierx_transform_template"):
            changed: Template | None = call.guarded(template=template)
            template = template if changed is None else changed
        return template

    @property
    def has_block(self) -> bool:
        return bool(self._block)

    def block(self, message: Message, recipients: Sequence[Recipient]) -> dict[int, str]:
        """Ask every guard; return delivery id -> the first reason given. Raises HookFailed."""
        blocked: dict[int, str] = {}
        for call in self._block:
            answer = call.guarded(message=message, recipients=recipients)
            if not isinstance(answer, Mapping):
                raise HookFailed(call.plugin, call.hook, f"it answered {answer!r}, not a mapping")
            for number, reason in answer.items():
                blocked.setdefault(number, reason)
        return blocked

    @property
    def has_after_send(self) -> bool:
        return any(call.plugin not in self._quarantined for call in self._after_send)

    def after_send(self, results: Sequence[Outcome]) -> None:
        """Tell every observer; one that raises is logged and not asked again by this process."""
        for call in self._after_send:
            if call.plugin in self._quarantined:
                continue
            try:
                call(results=results)
            except Exception:
                self._quarantined.add(call.plugin)
                log.exception("Plugin %s failed in %s and is not asked again.", call.plugin, call.hook)


def load_hooks(*, disabled: Collection[str] = (), specs: Iterable[ModuleType] = ()) -> Hooks:
    """Load every installed hook plugin that is not disabled: the built-in ones first, then by name.

    Raises PluginError for a broken one (a guard that is not there would let everything through) and for
    a disabled name that nobody has.
    """
    points = _hook_points()
    if unknown := sorted(set(disabled) - {point.name for point in points}):
        raise PluginError(
            f"COURIERX_DISABLE_PLUGINS names {', '.join(unknown)}, which is not installed; "
            f"installed: {', '.join(point.name for point in points) or 'none'}."
        )
    plugins = [(point.name, _load_hook(point)) for point in points if point.name not in disabled]
    return Hooks(plugins, specs=specs)


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
    except Exception as problem:
        raise PluginError(
            f"The plugin {point.name!r} of {origin(point)} cannot be loaded: {why_broken(point, problem)} "
            f"(COURIERX_DISABLE_PLUGINS={point.name} starts without it.)"
        ) from problem


_State: TypeAlias = Literal["chosen", "installed", "disabled", "broken"]


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `courierx plugins`."""

    group: str
    name: str
    target: str
    origin: str
    state: _State
    why: str = ""


def installed(
    *, chosen: Mapping[str, Collection[str]] | None = None, disabled: Collection[str] = ()
) -> list[Installed]:
    """List every plugin, importing each to see whether it works. `chosen` is group -> driver names."""
    listing = []
    for slot in SLOTS:
        for point in entry_points(slot.group):
            picked = point.name in (chosen or {}).get(slot.group, ())
            state: _State = "chosen" if picked else "installed"
            listing.append(_listed(slot.group, point, state, partial(slot.load, point.name)))
    for point in entry_points(HOOKS):
        state = "disabled" if point.name in disabled else "chosen"
        listing.append(_listed(HOOKS, point, state, partial(_load_hook, point)))
    return listing


def _listed(group: str, point: EntryPoint, state: _State, load: Callable[[], object]) -> Installed:
    line = Installed(group=group, name=point.name, target=point.value, origin=origin(point), state=state)
    if state == "disabled":
        return line
    try:
        load()
    except PluginError as problem:
        return msgspec.structs.replace(line, state="broken", why=str(problem))
    return line
