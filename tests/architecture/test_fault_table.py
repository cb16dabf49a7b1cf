"""The table of tests/faults/README.md is what pytest would run: every row, on every set-up it names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "tests" / "faults"
ROW = re.compile(r"^\| (R\d\d) ([^|]+) \| ([^|]+) \| ([^|]*)\| ([^|]*)\| ([^|]*)\|$", re.MULTILINE)
README = (FAULTS / "README.md").read_text("utf-8")
TABLE = {row[1]: row for row in ROW.finditer(README)}
NODES = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", README)
SETUPS = ("sqlite", "postgresql", "postgresql+rq")
YES, SOME, ALL = "yes", "some, the rest with `all`", "with `all`"

Tests = dict[str, set[str]]
"""Set-up -> names of the tests that run on it."""


def collected(setups: str) -> dict[str, tuple[str, Tests]]:
    """Ask pytest what it would run: row -> its file, and its tests by set-up."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/faults", "--collect-only", "-o", "addopts=",
         "--import-mode=importlib", "-q", "-p", "no:cacheprovider", "--setups", setups],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    files: dict[str, str] = {}
    tests: dict[str, Tests] = defaultdict(lambda: defaultdict(set))
    for node in ran.stdout.splitlines():
        if found := re.match(r"tests/faults/(\w+\.py)::(test_(r\d\d)_\w+)\[(.*)\]$", node):
            row = found[3].upper()
            files[row] = found[1]
            for setup in set(found[4].split("-")) & set(SETUPS):
                tests[row][setup].add(found[2])
    return {row: (files[row], tests[row]) for row in files}


@pytest.fixture(scope="module")
def by_default() -> dict[str, tuple[str, Tests]]:
    return collected("some")


@pytest.fixture(scope="module")
def with_all() -> dict[str, tuple[str, Tests]]:
    return collected("all")


def test_every_row_is_there_once_and_every_fault_has_its_row(
    with_all: dict[str, tuple[str, Tests]],
) -> None:
    assert list(TABLE) == [f"R{n:02}" for n in range(1, 26)]
    assert with_all.keys() <= TABLE.keys()


@pytest.mark.parametrize("row", TABLE)
def test_a_row_runs_where_it_says(
    row: str, by_default: dict[str, tuple[str, Tests]], with_all: dict[str, tuple[str, Tests]]
) -> None:
    where, cells = TABLE[row][3], [TABLE[row][4 + n].strip() for n in range(len(SETUPS))]
    if row not in with_all:
        elsewhere(row, where)
        assert set(cells) == {""}
        return
    file, tests = with_all[row]
    usual = by_default[row][1] if row in by_default else {}
    assert where == f"`{file}`"
    words = [
        "" if not tests[setup]
        else YES if usual.get(setup) == tests[setup]
        else SOME if usual.get(setup)
        else ALL
        for setup in SETUPS
    ]  # fmt: skip
    assert cells == words


def elsewhere(row: str, where: str) -> None:
    """Hold a row whose test is not a fault of processes to the test that it names, or to its issue."""
    if where.startswith("missing: issue "):
        found = [
            file for file in (ROOT / "tests").rglob("test_*.py") if f"test_{row.lower()}_" in file.read_text()
        ]
        assert not found, f"{row} is not missing any more: {found[0]}"
        return
    named = re.fullmatch(r"`(tests/\S+\.py)::(test_\w+)`", where)
    assert named, f"{row} names no test: {where}"
    text = (ROOT / named[1]).read_text("utf-8")
    assert row in text, f"{named[1]} does not say that it is {row}"


@pytest.mark.parametrize(("file", "test"), NODES, ids=[test for _, test in NODES])
def test_a_named_test_exists(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / file).read_text("utf-8")
