"""What hooks are: the marks of a specification and an implementation, and each hook's rule when asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pluggy

from courierx_core.errors import CourierXError, PluginError
from courierx_core.messages.model import Message, Recipient
from courierx_core.ports.ledger import Outcome
from courierx_core.templates.model import Template
from courierx_core.tracing import Tracer, Tracing

hookspec = pluggy.HookspecMarker("courierx")
hookimpl = pluggy.HookimplMarker("courierx")

log = logging.getLogger(__name__)


class HookFailed(PluginError):
    """A guard raised: what it guards must not go on."""

    code = "hook_failed"

    def __init__(self, plugin: str, hook: str, why: str) -> None:
        super().__init__(f"Plugin {plugin} failed in {hook}: {why}")
        self.plugin, self.hook = plugin, hook


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
            raise self.failed(problem) from problem

    def failed(self, problem: Exception) -> HookFailed:
        return HookFailed(self.plugin, self.hook, f"{type(problem).__name__}: {problem}")


class Hooks:
    """The typed face of the plugin manager: one method per hook, which holds that hook's rule."""

    def __init__(self, manager: pluggy.PluginManager, broken: Mapping[str, PluginError] = {}) -> None:
        """`broken` are the plugins that did not load, and why: they are in quarantine from the start."""
        self._manager = manager
        self._quarantined: dict[str, PluginError] = dict(broken)
        self._unstarted: set[str] = set()
        self._filters: dict[str, Callable[..., object]] | None = None
        self._block = self.calls("courierx_block")
        self.tracing = Tracing()
        self._after_send = [call.plugin for call in self.calls("courierx_after_send")]

    def calls(self, hook: str) -> tuple[_Call, ...]:
        """Return a hook's implementations in the order they are asked."""
        asked = reversed(getattr(self._manager.hook, hook).get_hookimpls())
        return tuple(_Call(each.plugin_name, hook, each.function, tuple(each.argnames)) for each in asked)

    def order(self) -> dict[str, list[str]]:
        """Return hook -> names of the plugins that implement it, in the order they are asked."""
        names = sorted(name for name in vars(self._manager.hook) if name.startswith("courierx_"))
        asked = {name: [call.plugin for call in self.calls(name)] for name in names}
        return {name: plugins for name, plugins in asked.items() if plugins}

    @property
    def quarantined(self) -> Mapping[str, str]:
        """Name -> why, of each plugin that is left out in this process since something of it raised."""
        return {name: str(why) for name, why in sorted(self._quarantined.items())}

    @property
    def left_out(self) -> Mapping[str, str]:
        """The same as other processes may be told: not what a hook's error says, which may be of a person."""
        return {name: _told(why) for name, why in sorted(self._quarantined.items())}

    def ask(self, hook: str, answer: type[Any] = object, **given: object) -> list[tuple[str, Any]]:
        """Ask everyone who is not in quarantine, in order, and return names and answers. One that raises, or
        whose answer is not an `answer`, goes there."""
        answers = []
        for call in self.calls(hook):
            if call.plugin in self._quarantined:
                continue
            try:
                got = call(**given)
                if not isinstance(got, answer):
                    raise TypeError(f"it answered {got!r}, not a {answer.__name__}")
            except Exception as problem:
                self._quarantine(call, problem)
            else:
                answers.append((call.plugin, got))
        return answers

    def _quarantine(self, call: _Call, problem: Exception) -> None:
        failed = call.failed(problem)
        failed.__cause__ = problem
        self._quarantined[call.plugin] = failed
        log.error("Plugin %s failed in %s and is left out.", call.plugin, call.hook, exc_info=problem)

    def startup(self, courier: object) -> None:
        """Tell every plugin that the process is assembled. One that raises is left out from then on, and what
        it guards is refused, for it has not got what it guards with.

        Raises HookFailed where one refuses on purpose, with an error of CourierX (a wrong setting).
        """
        for name, why in self._quarantined.items():
            log.error("Plugin %s is left out: %s", name, why)
        self.template_filters()
        for call in self.calls("courierx_startup"):
            try:
                if call.plugin not in self._quarantined:
                    call(courier=courier)
            except CourierXError as refusal:
                raise call.failed(refusal) from refusal
            except Exception as problem:
                self._quarantine(call, problem)
                self._unstarted.add(call.plugin)
        self.tracing.tracer = self._tracer()

    def _tracer(self) -> Tracer | None:
        for call in self.calls("courierx_tracer"):
            try:
                tracer: Tracer | None = None if call.plugin in self._quarantined else call()
            except CourierXError as refusal:
                raise call.failed(refusal) from refusal
            except Exception as problem:
                self._quarantine(call, problem)
                continue
            if tracer is not None:
                return tracer
        return None

    def _guard(self, call: _Call, **given: object) -> Any:
        if call.plugin in self._unstarted:
            raise HookFailed(call.plugin, call.hook, str(self._quarantined[call.plugin]))
        return call.guarded(**given)

    def template_filters(self) -> dict[str, Callable[..., object]]:
        """Collect the template filters. Raises PluginError where two plugins offer one name."""
        if self._filters is None:
            self._filters = self._collect_filters()
        return dict(self._filters)

    def _collect_filters(self) -> dict[str, Callable[..., object]]:
        filters: dict[str, Callable[..., object]] = {}
        owner: dict[str, str] = {}
        for plugin, offered in self.ask("courierx_template_filters", Mapping):
            for name, function in offered.items():
                if name in filters:
                    raise PluginError(
                        f"The template filter {name!r} is offered by {owner[name]} and by {plugin}; "
                        "disable one with COURIERX_DISABLE_PLUGINS."
                    )
                filters[name], owner[name] = function, plugin
        return filters

    def transform_template(self, template: Template) -> Template:
        """Pass a template through every plugin in order. Raises HookFailed."""
        for call in self.calls("courierx_transform_template"):
            changed: Template | None = self._guard(call, template=template)
            template = template if changed is None else changed
        return template

    @property
    def has_block(self) -> bool:
        return bool(self._block)

    def block(self, message: Message, recipients: Sequence[Recipient]) -> dict[int, str]:
        """Ask every guard; return delivery id -> the first reason given. Raises HookFailed."""
        blocked: dict[int, str] = {}
        for call in self._block:
            answer = self._guard(call, message=message, recipients=recipients)
            if not isinstance(answer, Mapping):
                raise HookFailed(call.plugin, call.hook, f"it answered {answer!r}, not a mapping")
            for number, reason in answer.items():
                blocked.setdefault(number, reason)
        return blocked

    @property
    def has_after_send(self) -> bool:
        return any(plugin not in self._quarantined for plugin in self._after_send)

    def after_send(self, results: Sequence[Outcome]) -> None:
        """Tell every observer; one that raises is logged and left out by this process."""
        self.ask("courierx_after_send", results=results)


def _told(why: PluginError) -> str:
    if isinstance(why, HookFailed):
        return f"{type(why.__cause__).__name__} in {why.hook}"
    return str(why).rstrip(".")
