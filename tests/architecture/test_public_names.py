"""What a package says it offers, it offers."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import courierx_core

ROOT = Path(__file__).parents[2]


def declaring() -> list[str]:
    """Name every shipped module that has an `__all__`."""
    found = []
    for source_root in (ROOT, ROOT / "app", ROOT / "plugins", ROOT / "migrations"):
        for file in source_root.glob("courierx_*/**/*.py"):
            if "\n__all__ = " in file.read_text("utf-8"):
                parts = file.relative_to(source_root).with_suffix("").parts
                found.append(".".join(part for part in parts if part != "__init__"))
    return sorted(found)


@pytest.mark.parametrize("name", declaring())
def test_all_is_true(name: str) -> None:
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    assert [each for each in module.__all__ if not hasattr(module, each)] == []


def test_the_core_declares_all_that_it_imports() -> None:
    tree = ast.parse(Path(courierx_core.__file__).read_text("utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == set(courierx_core.__all__)


def test_the_core_offers_every_port_and_every_receipt() -> None:
    from courierx_core.plugins import SLOTS
    from courierx_core.ports.transport import Accepted, Deferred, Refused, Uncertain

    offered = {getattr(courierx_core, name) for name in courierx_core.__all__ if name != "API"}
    assert {slot.port for slot in SLOTS} <= offered
    assert {Accepted, Deferred, Refused, Uncertain} <= offered


def test_the_example_plugin_imports_the_core_by_its_public_names() -> None:
    files = list((ROOT / "docs/examples/courierx-pigeon").glob("courierx_pigeon/**/*.py"))
    files += list((ROOT / "docs/examples/courierx-pigeon").glob("src/courierx_pigeon/**/*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("courierx_core"):
                assert node.module in ("courierx_core", "courierx_core.testing"), file
