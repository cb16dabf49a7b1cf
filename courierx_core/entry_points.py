"""What is installed: entry points as importlib.metadata sees them now, and which extra a plugin lacks."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, EntryPoint
from importlib.metadata import entry_points as _entry_points

from courierx_core.errors import MissingExtra, PluginBroken, PluginError

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*).*;.*\bextra\s*==\s*['\"]([^'\"]+)['\"]")


def entry_points(group: str) -> list[EntryPoint]:
    """List a group's entry points, by name."""
    return sorted(_entry_points(group=group), key=lambda point: (point.name, point.value))


def origin(point: EntryPoint) -> str:
    """Name the distribution and version an entry point comes from."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def not_loaded(point: EntryPoint, problem: BaseException) -> PluginError:
    """Say why an entry point did not load and, where a module is missing, what installs it."""
    said = f"The plugin {point.name!r} of {origin(point)} cannot be loaded:"
    if not isinstance(problem, ImportError):
        return PluginBroken(f"{said} {type(problem).__name__}: {str(problem).rstrip('.')}.")
    extra = missing_extra(point.dist, problem.name or "", point.name) if point.dist else ""
    if extra and point.dist:
        return MissingExtra(f"{said} {problem}; install it with: pip install '{point.dist.name}[{extra}]'.")
    return PluginBroken(f"{said} {str(problem).rstrip('.')}.")


def missing_extra(dist: Distribution, module: str, plugin: str = "") -> str:
    """Return the extra of `dist` that requires the distribution a module comes from, '' when none does.

    Names are compared as PEP 503 normalises them. Of several extras the one that is called as the plugin
    wins, else the one with the fewest requirements: `all` is never the advice where a smaller one will do.
    """
    wanted = _normal(module.partition(".")[0])
    extras: dict[str, list[str]] = {}
    for line in dist.requires or ():
        if found := _REQUIREMENT.match(line):
            extras.setdefault(found[2], []).append(_normal(found[1]))
    fitting = [extra for extra, names in extras.items() if wanted and wanted in names]
    return min(fitting, key=lambda extra: (extra != plugin, len(extras[extra]), extra), default="")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
