"""The page about the reference system names routes, settings and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.architecture.test_settings_reference import VARIABLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/reference-system.md").read_text("utf-8")
ROWS = [
    line for line in PAGE.splitlines() if line.startswith("| ") and not line.endswith(("| test |", "--- |"))
]
NODES = sorted(set(re.findall(r"`(tests/\S+\.py)::(test_\w+)`", PAGE)))


def test_every_row_names_its_test() -> None:
    assert len(ROWS) > 40
    assert [row for row in ROWS if not re.search(r"\| `tests/\S+\.py::test_\w+` \|$", row)] == []


@pytest.mark.parametrize(("file", "test"), NODES, ids=[test for _, test in NODES])
def test_a_named_test_exists(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / file).read_text("utf-8")


def test_every_route_is_served(client: TestClient[Litestar]) -> None:
    served = {
        f"{method} {re.sub(r'{[^}]+}', '{}', route.path)}"
        for route in client.app.routes
        for method in getattr(route, "methods", ())
    }
    named = {re.sub(r"{\w+}", "{}", each) for each in re.findall(r"`([A-Z]+ /[^`]*)`", PAGE)}
    assert len(named) > 35
    assert named - served == set()


def test_every_variable_is_a_setting() -> None:
    section = PAGE.partition("## Environment")[2].partition("## Jobs")[0]
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", section))
    assert len(named) == 17
    assert named - VARIABLES == set()
