"""courierx_core needs the standard library and five distributions; `nox -s core` has no others."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import courierx_core

PACKAGE = Path(courierx_core.__file__).parent
EVERYWHERE = frozenset({"courierx_core", "msgspec", "jinja2", "markupsafe", "cryptography"})
IN_PLUGINS = frozenset({"pluggy", "stevedore"})
IN_THE_TEST_KIT = frozenset({"pytest", "hypothesis"})
DEPENDENCIES_OF_THE_FIVE = frozenset({"_cffi_backend", "cffi", "pycparser", "typing_extensions"})
PURE = ("mail",)
IMPURE_MODULES = frozenset(
    {"socket", "ssl", "subprocess", "threading", "asyncio", "os", "pathlib", "tempfile"}
)


def files(folder: Path = PACKAGE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    """Name every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield node.module or ""


def allowed(file: Path) -> frozenset[str]:
    place = file.relative_to(PACKAGE)
    if place == Path("plugins.py"):
        return EVERYWHERE | IN_PLUGINS
    if place == Path("hooks.py"):
        return EVERYWHERE | {"pluggy"}
    return EVERYWHERE | IN_THE_TEST_KIT if place.parts[0] == "testing" else EVERYWHERE


@pytest.mark.parametrize("file", files(), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_a_file_of_the_core_imports_only_what_the_core_may(file: Path) -> None:
    names = {module.partition(".")[0] for module in imported(file)}
    assert names - sys.stdlib_module_names <= allowed(file)


def test_importing_all_of_the_core_loads_nothing_else() -> None:
    modules = [
        module.name
        for module in pkgutil.walk_packages([str(PACKAGE)], "courierx_core.")
        if not module.name.startswith("courierx_core.testing")
    ]
    assert "courierx_core.plugins" in modules
    program = f"""
import sys
before = set(sys.modules)
import {", ".join(modules)}
print(*set(sys.modules) - before)
"""
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert loaded - sys.stdlib_module_names <= EVERYWHERE | IN_PLUGINS | DEPENDENCIES_OF_THE_FIVE


@pytest.mark.parametrize("folder", PURE)
def test_rfc_code_does_no_io(folder: str) -> None:
    pure = files(PACKAGE / folder)
    assert pure
    for file in pure:
        names = {module.partition(".")[0] for module in imported(file)}
        assert not names & IMPURE_MODULES, file
        ours = {module for module in imported(file) if module.startswith("courierx_core")}
        assert all(
            module.startswith((f"courierx_core.{folder}", "courierx_core.errors")) for module in ours
        ), file


def _slice(file: Path) -> str:
    return f"{file.parent.name}.{file.stem}"


@pytest.mark.parametrize(
    "file", sorted([*PACKAGE.glob("*/model.py"), PACKAGE / "audience/tree.py"]), ids=_slice
)
def test_the_structs_of_a_slice_import_no_use_case(file: Path) -> None:
    # `ports.transport` holds the words that a message and an envelope share (Stream, Attachment); `mail` is
    # RFC code, which imports neither a port nor a use case itself (above).
    ours = {module for module in imported(file) if module.startswith("courierx_core")}
    strangers = {
        module
        for module in ours - {"courierx_core.errors", "courierx_core.ports.transport", "courierx_core.scopes"}
        if not module.endswith((".model", ".audience.tree")) and not module.startswith("courierx_core.mail.")
    }
    assert not strangers
