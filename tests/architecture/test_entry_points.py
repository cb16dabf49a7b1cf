"""Every plugin that ships loads, or says which extra it lacks."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution, packages_distributions
from itertools import chain
from pathlib import Path

import pytest

from courierx_core.plugins import HOOKS, SLOTS, Installed, installed

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED: dict[str, dict[str, str]] = PROJECT["entry-points"]
OURS = [plugin for plugin in installed() if plugin.origin.startswith("courierx ")]


def test_what_is_installed_is_what_is_declared() -> None:
    points = {
        (point.group, point.name, point.value)
        for point in distribution("courierx").entry_points
        if point.group != "console_scripts"
    }
    assert points == {
        (group, name, value) for group, names in DECLARED.items() for name, value in names.items()
    }
    assert {(plugin.group, plugin.name, plugin.target) for plugin in OURS} == points


def test_every_group_is_one_that_something_reads() -> None:
    assert set(DECLARED) <= {slot.group for slot in SLOTS} | {HOOKS}


@pytest.mark.parametrize("plugin", OURS, ids=lambda plugin: f"{plugin.group}:{plugin.name}")
def test_it_loads_or_names_its_extra(plugin: Installed) -> None:
    assert plugin.state in ("installed", "chosen", "needs_extra"), plugin.why
    assert plugin.state != "needs_extra" or "pip install 'courierx[" in plugin.why, plugin.why


def test_what_a_plugin_imports_is_declared() -> None:
    """Not only what brings it along: an extra is found by the name of the module that is missing."""
    lines = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    declared = {normal(re.split(r"[\[<>=,; ]", line)[0]) for line in lines}
    from_where = packages_distributions()
    for file in sorted((ROOT / "plugins").rglob("*.py")):
        for name in {module.partition(".")[0] for module in imported(file)} - sys.stdlib_module_names:
            if not name.startswith("courierx_"):
                bringing = {normal(dist) for dist in from_where[name]}
                assert bringing & declared, f"{file}: neither we nor an extra of ours require {name}"


def normal(name: str) -> str:
    """Write a distribution's name as PEP 503 does."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
