"""`courierx plugin new` writes a plugin that passes its own tests and sends mail, outside our folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from email import message_from_bytes
from importlib.resources import files
from pathlib import Path

import pytest

from courierx_app.cli.plugin import KINDS as OFFERED
from courierx_app.scaffold import KINDS, write
from courierx_app.settings import Settings
from courierx_core.config import env_names
from courierx_core.errors import InvalidInput
from courierx_core.ports.store import Store

ROOT = Path(__file__).parents[2]
IN_THE_TEST_KIT = {"pytest", "hypothesis"}
"""What the contract suites import beside the core: tests/architecture/test_core_imports.py says so."""

SOME = {"store": ("-k", "unit or found or slow")}
"""All of a store's take longer than they tell here: `nox -s third_party` runs them."""


def lay_out(folder: Path, kind: str) -> Path:
    """Lay a generated plugin out as pip would: its package and its entry points on the path."""
    write("night-owl", folder, kind)
    info = folder / "src/courierx_night_owl-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: courierx-night-owl\nVersion: 0.1.0\n")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    ((group, points),) = project["entry-points"].items()
    (info / "entry_points.txt").write_text(f"[{group}]\nnight-owl = {points['night-owl']}\n")
    return folder


def run(folder: Path, *arguments: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder / "src"), **environ},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(tmp_path: Path, kind: str) -> None:
    told = run(
        lay_out(tmp_path / "owl", kind), "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests",
        *SOME.get(kind, ()),
    )  # fmt: skip
    assert "passed" in told


def test_it_sends_mail(tmp_path: Path) -> None:
    installed = lay_out(tmp_path / "owl", "transport")
    (installed / "people.csv").write_text("email,first_name\nann@x.example,Ann\nbob@x.example,Bob\n")
    (installed / "mail.html").write_text("<p>Dear {{ first_name }}</p>")
    run(
        installed, "courierx_app.cli", "send", "--csv", "people.csv", "--subject", "Hello",
        "--html", "mail.html", "--from", "me@acme.example", "--yes",
        COURIERX_TRANSPORT="night-owl", NIGHT_OWL_FOLDER="out",
    )  # fmt: skip
    mails = [message_from_bytes(file.read_bytes()) for file in (installed / "out").iterdir()]
    assert sorted(str(mail["To"]) for mail in mails) == ["ann@x.example", "bob@x.example"]


@pytest.mark.parametrize("kind", KINDS)
def test_its_readme_says_how_to_use_it(tmp_path: Path, kind: str) -> None:
    write("night-owl", tmp_path / "owl", kind)
    readme = (tmp_path / "owl/README.md").read_text()
    assert "night-owl" in readme.partition("courierx plugins")[2]
    code = (tmp_path / f"owl/src/courierx_night_owl/{kind}.py").read_text()
    known = {*env_names(Settings).values(), *re.findall(r'"env": "(\w+)"', code)}
    assert set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", readme)) <= known
    assert "$" not in readme


def test_what_it_is_tested_with_is_installed_with_it(tmp_path: Path) -> None:
    """Or pytest stops at `No module named 'hypothesis'`, before the author has written a line."""
    write("night-owl", tmp_path / "owl")
    project = tomllib.loads((tmp_path / "owl/pyproject.toml").read_text())["project"]
    offered = {line.partition(">")[0] for line in project["optional-dependencies"]["test"]}
    assert offered == IN_THE_TEST_KIT


def test_a_store_around_another_leaves_nothing_of_it_out(tmp_path: Path) -> None:
    """What has a default in the port would answer for the store within."""
    write("night-owl", tmp_path / "owl", "store")
    code = (tmp_path / "owl/src/courierx_night_owl/store.py").read_text()
    public = {name for name in (*vars(Store), "check", "close") if not name.startswith("_")}
    assert public <= {"Config", *re.findall(r"^    def (\w+)", code, re.MULTILINE)}


def test_its_author_may_check_types_against_ours() -> None:
    assert (files("courierx_core") / "py.typed").is_file()


def test_the_command_offers_every_kind_and_ci_tries_it() -> None:
    assert tuple(KINDS) == OFFERED
    assert f"KINDS = {OFFERED}\n".replace("'", '"') in (ROOT / "noxfile.py").read_text()


@pytest.mark.parametrize("name", ["", "Pigeon", "a b", "../up", "9lives", "a--b", "x" * 41])
def test_a_name_that_no_package_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        write(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        write("owl", tmp_path)
    assert list(tmp_path.iterdir()) == []
