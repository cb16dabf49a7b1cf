"""A hook exists when it is documented, tested, and used by something that ships."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import courierx_app.hookspecs
import courierx_core.hookspecs
from courierx_core.plugins import load_hooks

ROOT = Path(__file__).parents[2]
SPECS: tuple[ModuleType, ...] = (courierx_core.hookspecs, courierx_app.hookspecs)
HOOKS = [name for module in SPECS for name in vars(module) if name.startswith("courierx_")]
EXAMPLES = [file.read_text("utf-8") for file in (ROOT / "docs/examples").rglob("*.py")]


def test_there_are_hooks_and_all_are_said_in_one_place() -> None:
    assert len(HOOKS) == len(set(HOOKS)) > 3


@pytest.mark.parametrize("hook", HOOKS)
def test_it_is_documented(hook: str) -> None:
    function = next(getattr(module, hook) for module in SPECS if hasattr(module, hook))
    said = inspect.getdoc(function)
    assert said
    page = (ROOT / "docs/reference/hooks.md").read_text("utf-8")
    section = re.search(rf"^## {hook}$(.*?)(^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert section
    assert said in section[1]


@pytest.mark.parametrize("hook", HOOKS)
def test_it_is_tested(hook: str) -> None:
    # By its name, or by the method of the Hooks facade that asks it.
    asked = re.compile(rf"\b{hook}\b|\bhooks\.{hook.removeprefix('courierx_')}\(")
    tests = [file for file in (ROOT / "tests").rglob("test_*.py") if "architecture" not in file.parts]
    assert any(asked.search(file.read_text("utf-8")) for file in tests)


@pytest.mark.parametrize("hook", HOOKS)
def test_it_is_used(hook: str) -> None:
    shipped = load_hooks(specs=[courierx_app.hookspecs]).order()
    assert shipped.get(hook) or any(f"def {hook}(" in text for text in EXAMPLES)
