"""What README and CONTRIBUTING claim can be run, and the figures are those that were measured."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from tests.benchmarks import page

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
CLAIMS = README.split("## Two claims")[1].split("\n## ")[0]
KILL = "nox -s faults -- tests/faults/test_faults_kill.py --seeds 20"
BENCH = "nox -s bench"


def sessions() -> set[str]:
    tree = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and "nox.session" in map(_name, node.decorator_list)
    }


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def commands() -> list[str]:
    texts = [
        README,
        (ROOT / "CONTRIBUTING.md").read_text("utf-8"),
        (ROOT / "tests/faults/README.md").read_text(),
    ]
    return sorted({found for text in texts for found in re.findall(r"nox -s [^`\n#|]*[^`\n#|\s]", text)})


def test_the_two_claims_name_their_commands() -> None:
    assert f"$ .venv/bin/{KILL}\n" in CLAIMS
    assert f"$ .venv/bin/{BENCH}\n" in CLAIMS
    assert "Nothing is lost and nothing is sent twice under kill -9." in CLAIMS
    assert {KILL, BENCH} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_a_command_of_nox_exists(command: str) -> None:
    words, _, given = command.partition(" -- ")
    named = shlex.split(words.removeprefix("nox -s "))
    assert {re.split(r"\(", name)[0] for name in named} <= sessions()
    for path in re.findall(r"tests/\S+", given):
        assert (ROOT / path).exists(), path


def test_the_kill_is_a_kill() -> None:
    text = (ROOT / "tests/faults/test_faults_kill.py").read_text("utf-8")
    assert "def test_r01_kill_nine_loses_nobody_and_mails_nobody_twice(" in text
    assert "def test_r02_" in text


def test_the_speed_is_the_one_that_was_measured() -> None:
    found = page.SENTENCE.search(CLAIMS)
    assert found
    assert found[0] == page.sentence(page.stored(ROOT))


def test_the_pages_of_measurements_are_made_from_them() -> None:
    runs = page.stored(ROOT)
    made = page.pages(runs)
    assert {name: (ROOT / name).read_text("utf-8") for name in made} == made
    assert [name for name in (page.PAGE, page.SCALE) if (ROOT / name).exists()] == list(made)
