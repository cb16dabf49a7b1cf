"""What hooks are: the marks of a specification and an implementation, and each hook's rule when asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pluggy

from courierx_core.errors import PluginError
from courierx_core.messages.model import Message, Recipient
from courierx_core.ports.ledger import Outcome
from courierx_core.templates.model import Template

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
            raise HookFailed(self.plugin, self.hook, f"{type(problem).__name__}: {problem}") from problem


class Hooks:
    """The typed face of the plugin manager: one method per hook, which holds that hook's rule."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._manager = manager
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
