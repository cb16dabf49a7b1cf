"""The documentation is true: `nox -s docs` runs the same two programs."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("how-to", "runbooks", "reference", "decisions")
COMMANDS = [
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/courierx demo",
    "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox",
]


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_check", ROOT / "docs/check.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("program", [["generate.py", "--check"], ["check.py"]], ids=["reference", "pages"])
def test_it_holds(program: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "docs" / program[0]), *program[1:]], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def test_the_first_screen_of_the_readme_has_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()[:25]
    assert [line.removeprefix("$ ") for line in lines if "python3 -m venv" in line] == COMMANDS


def test_the_readme_shows_in_this_order() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    order = ["# CourierX", "```console", "docs/images/demo.svg", "## The packages", "## Where to go next"]
    places = [text.index(each) for each in order]
    assert places == sorted(places)
    assert (ROOT / "docs/images/demo.svg").read_text("utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("page", "finding"),
    [
        ("[gone](nowhere.md)", "leads nowhere"),
        ("[gone](#nothing)", "does not have"),
        ("[out](../../../elsewhere)", "leaves the repository"),
        ("```python\ndef f(:\n```", "does not hold"),
        ("```python\nfrom courierx_core import Nonsense\n```", "has no Nonsense"),
        ("```toml\na = \n```", "does not hold"),
        ("```console\n$ courierx teleport\n```", "no command 'teleport'"),
        ("```console\n$ .venv/bin/courierx demo --teleport\n```", "no option --teleport"),
        ("```\nbare\n```", "language ''"),
    ],
)
def test_the_check_finds(
    check: ModuleType, page: str, finding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text(page)
    shutil.copy(ROOT / "docs/generate.py", tmp_path / "docs")
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "DOCS", tmp_path / "docs")
    found = list(check.findings())
    assert len(found) == 1
    assert finding in found[0]


def test_every_page_is_reached_from_the_readme_or_the_index() -> None:
    docs = ROOT / "docs"
    reached, waiting = set(), [ROOT / "README.md", docs / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#:]+\.md)", page.read_text("utf-8"))
        waiting += [(page.parent / link).resolve() for link in links]
    pages = {*docs.glob("*.md"), *(page for name in PAGES for page in (docs / name).glob("*.md"))}
    assert sorted(str(page.relative_to(ROOT)) for page in pages - reached) == []
