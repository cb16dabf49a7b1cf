"""The habits of the repository itself."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOXFILE = (ROOT / "noxfile.py").read_text("utf-8")
PINS = re.compile(r"^([a-z0-9-]+)==([^ ;\n]+)", re.MULTILINE)
CONSTRAINTS = dict(PINS.findall((ROOT / "constraints.txt").read_text()))

LINES = 400
LONG_FILES: dict[str, str] = {
    "tests/plugins/test_sqlite_ledger.py": "one case for each rule of LEDGER section 2, on one fixture",
}
"""File -> why it is longer than LINES."""
MADE = ("docs/reference/*.md", "docs/reference/*.json", "docs/images/*", "constraints.txt")
"""Made by a program, so nobody reads them from top to bottom."""

# In parts, so that this file passes its own test.
MACHINE = re.compile(r"(?<![\w.])/(?:wor" r"k|roo" r"t|hom" r"e|User" r"s)/\w")
REGISTRY = re.compile(r"pypi\.or" r"g|pythonhoste" r"d|npmjs\.or" r"g|deb\.debia" r"n\.org|proxy\.golan" r"g")
WORDS = re.compile(r"\broo" r"ms\b|\bdoorbel" r"ls?\b", re.IGNORECASE)


def files() -> list[Path]:
    """List what is committed, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {}
    for file in files():
        try:
            found[file.relative_to(ROOT).as_posix()] = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue
    return found


TEXTS = texts()


def test_there_is_something_to_look_at() -> None:
    assert {"README.md", "pyproject.toml", "courierx_core/errors.py"} <= set(TEXTS)


@pytest.mark.parametrize("pattern", [MACHINE, REGISTRY, WORDS], ids=["machine", "registry", "words"])
def test_no_file_names(pattern: re.Pattern[str]) -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_a_long_file_explains_itself() -> None:
    long = {
        name
        for name, text in TEXTS.items()
        if text.count("\n") > LINES and not any(fnmatch(name, made) for made in MADE)
    }
    assert long == set(LONG_FILES)


def test_every_requirement_is_pinned() -> None:
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *PYPROJECT["build-system"]["requires"]]
    for needs in (*project["optional-dependencies"].values(), *PYPROJECT["dependency-groups"].values()):
        wanted += [need for need in needs if isinstance(need, str)]
    names = {re.split(r"[\[<>=! ;]", need)[0].lower() for need in wanted} - {"courierx"}
    assert names <= set(CONSTRAINTS)


def test_nox_starts_itself_with_the_pinned_tools() -> None:
    header = re.search(r"^# dependencies = (\[.*\])$", NOXFILE, re.MULTILINE)
    assert header
    assert ast.literal_eval(header[1]) == [f"nox=={CONSTRAINTS['nox']}", f"uv=={CONSTRAINTS['uv']}"]


def test_the_core_keeps_to_five_dependencies() -> None:
    five = _constant("CORE")
    assert [re.split(r"[<>=]", need)[0] for need in PYPROJECT["project"]["dependencies"]][:5] == list(five)


def test_every_plugins_test_is_run_by_one_adapter_session() -> None:
    adapters = _constant("ADAPTERS")
    for file in (ROOT / "tests/plugins").rglob("test_*.py"):
        assert sum(file.name.startswith(f"test_{name}") for name in adapters) == 1, file
        assert file.parent == ROOT / "tests/plugins", file


def test_every_test_is_in_a_folder_that_a_session_runs() -> None:
    known = {"core", "plugins", "app", "e2e", "architecture", "faults", "interop", "deploy"}
    for file in (ROOT / "tests").rglob("test_*.py"):
        assert file.relative_to(ROOT / "tests").parts[0] in known, file


def test_ci_runs_nox_and_nothing_by_hand() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert "set -euo pipefail" in script
    assert "/bin/nox" in script
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_the_changelog_has_a_place_for_the_next_release() -> None:
    assert "\n## [Unreleased]\n" in TEXTS["CHANGELOG.md"]


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in TEXTS["LICENSE"]


def _constant(name: str) -> object:
    """Read a literal of noxfile.py without running it."""
    for node in ast.parse(NOXFILE).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name:
            return ast.literal_eval(node.value)  # type: ignore[attr-defined]
    raise AssertionError(f"noxfile.py has no {name}")
