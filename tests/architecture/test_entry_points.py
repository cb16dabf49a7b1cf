"""Every plugin that ships loads, or says which extra it lacks."""

from __future__ import annotations

import tomllib
from importlib.metadata import distribution
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
