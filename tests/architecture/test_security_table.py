"""tests/SECURITY.md names every line of the security page, and tests that say they are about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| ([ST]\d\d) \| (.+) \| (.+) \|$", (ROOT / "tests/SECURITY.md").read_text(), re.MULTILINE
)
LINES = [f"S{n:02}" for n in (*range(1, 8), 9, 10, 11, 13, 16, *range(18, 26))] + [
    f"T{n:02}" for n in range(1, 10)
]


def test_every_line_is_there_once() -> None:
    assert [line for line, _, _ in ROWS] == LINES


@pytest.mark.parametrize(("line", "tests"), [(line, tests) for line, _, tests in ROWS], ids=LINES)
def test_a_line_names_tests_that_are_about_it(line: str, tests: str) -> None:
    if tests.startswith("missing: "):
        found = [
            each
            for each in (ROOT / "tests").rglob("test_*.py")
            if re.search(rf"\b{line}\b", each.read_text())
        ]
        assert not found, f"{line} is not missing any more: {found[0]}"
        return
    named = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", tests)
    assert named, f"{line} names no test"
    for file, test in named:
        text = (ROOT / file).read_text("utf-8")
        assert f"def {test}(" in text, f"{file} has no {test}"
        assert re.search(rf"\b{line}\b", text), f"{file} does not say that it is about {line}"
