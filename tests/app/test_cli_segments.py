"""`courierx segments`: the same use cases as over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.test_cli import Cx, cx

__all__ = ["cx"]

TREE = {"type": "attribute", "name": "plan", "op": "in", "value": ["pro"]}


@pytest.fixture
def tree(cx: Cx, tmp_path: Path) -> str:
    """A tenant with two people, and a file that finds one of them."""
    cx("tenants", "add", "Acme", "--email", "post@acme.example")
    people = tmp_path / "people.csv"
    people.write_text("email,plan\na@x.example,pro\nb@x.example,free\n")
    cx("subscribers", "import", str(people))
    file = tmp_path / "tree.json"
    file.write_text(json.dumps(TREE))
    return str(file)


def test_a_segment_is_saved_counted_changed_and_removed(cx: Cx, tree: str, tmp_path: Path) -> None:
    assert cx("segments", "count", "--file", tree) == "1 people.\n"
    made = json.loads(cx("segments", "add", "Pro", tree, "--json"))
    assert json.loads(cx("segments", "show", str(made["id"])))["definition"] == TREE
    assert json.loads(cx("segments", "count", str(made["id"]), "--json")) == {"count": 1}
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"type": "not", "of": {**TREE, "value": ["nobody"]}}))
    assert "is Everybody" in cx(
        "segments", "edit", str(made["id"]), "--name", "Everybody", "--file", str(other)
    )
    assert cx("segments", "count", str(made["id"])) == "2 people.\n"
    assert "Everybody" in cx("segments", "list")
    assert "is removed" in cx("segments", "remove", str(made["id"]))
    assert json.loads(cx("segments", "list", "--json")) == []


def test_what_is_wrong_is_told_in_a_line(cx: Cx, tree: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"type": "field"')
    cx("segments", "add", "Pro", str(broken), status=1, err="is not JSON")
    broken.write_text('{"type": "and", "of": [{"type": "list", "list_id": 999}]}')
    cx("segments", "add", "Pro", str(broken), status=1, err="definition.of[0].list_id")
    cx("segments", "count", status=2, err="give a segment's id, or a tree")
    cx("segments", "count", "1", "--file", tree, status=2, err="give a segment's id, or a tree")
    cx("segments", "remove", "999", status=1, err="No segment 999")
