"""No module of ours imports itself by a detour, not even for the sake of types: each has its floor."""

from __future__ import annotations

import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PACKAGES: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "root_packages"
]


def test_imports_form_no_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    # a package's __init__ hands names on: whom it imports is no floor of its own
    faces = {module for module in graph.modules if graph.find_children(module)}
    imports = {
        module: graph.find_modules_directly_imported_by(module) - faces for module in graph.modules - faces
    }
    assert imports["courierx_app.container"] >= {"courierx_core.courier", "courierx_core.plugins"}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle
