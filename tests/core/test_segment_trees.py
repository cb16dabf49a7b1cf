"""Segments' trees read from callers: the good ones whole, the bad ones with the path of every bad node."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.audience import tree
from courierx_core.audience.tree_input import DEPTH_MAX, NODES_MAX, read_tree
from courierx_core.errors import FieldProblem, InvalidInput

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
ON_LIST = {"type": "list", "list_id": 1}


def bad(given_: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        read_tree(given_)
    problems = caught.value.problems
    assert all(problem.message for problem in problems)
    return {each.field.removeprefix("definition").lstrip("."): each.code for each in problems}


def nested(depth: int) -> dict[str, Any]:
    node: dict[str, Any] = ON_LIST
    for _ in range(depth - 1):
        node = {"type": "not", "of": node}
    return node


def test_a_good_tree_is_read_and_written_back() -> None:
    given_ = {
        "type": "and",
        "of": [
            {"type": "or", "of": [{"type": "field", "name": "status", "op": "in", "value": ["active"]}]},
            {"type": "not", "of": {"type": "attribute", "name": "n", "op": "at_least", "value": 2.5}},
            {"type": "event", "kind": "opened", "campaign_id": 3, "within_days": 30},
            {"type": "created", "since": "2026-03-01T12:00:00Z"},
            {"type": "attribute", "name": "vip", "op": "exists"},
        ],
    }
    read = read_tree(given_)
    assert read == tree.And(
        (
            tree.Or((tree.Field("status", "in", ("active",)),)),
            tree.Not(tree.Attribute("n", "at_least", 2.5)),
            tree.HasEvent("opened", campaign_id=3, within_days=30),
            tree.Created(since=NOON),
            tree.Attribute("vip", "exists"),
        )
    )
    assert read_tree(msgspec.json.decode(msgspec.json.encode(read))) == read


def test_every_bad_node_is_told_by_its_path() -> None:
    given_ = {
        "type": "and",
        "of": [
            {"type": "field", "name": "phone", "op": "like", "value": 5},
            {"type": "not", "of": {"type": "or", "of": []}},
            {"type": "event", "kind": "opened", "within_day": 3},
            {"type": "list"},
            5,
            {"type": "maybe"},
        ],
    }
    assert bad(given_) == {
        "of[0].name": "invalid", "of[0].op": "invalid", "of[0].value": "invalid", "of[1].of.of": "invalid",
        "of[2].within_day": "unknown", "of[3].list_id": "required", "of[4]": "invalid",
        "of[5].type": "invalid",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "leaf"),
    [
        ("value", {"type": "field", "name": "email", "op": "in", "value": "a"}),
        ("value", {"type": "field", "name": "email", "op": "equals", "value": ["a"]}),
        ("value", {"type": "field", "name": "email", "op": "contains", "value": ""}),
        ("value", {"type": "field", "name": "email", "op": "equals", "value": "x" * 1001}),
        ("value", {"type": "field", "name": "email", "op": "equals", "value": "a\0"}),
        ("value", {"type": "field", "name": "status", "op": "equals", "value": "happy"}),
        ("op", {"type": "field", "name": "status", "op": "contains", "value": "act"}),
        ("value", {"type": "attribute", "name": "a", "op": "equals"}),
        ("value", {"type": "attribute", "name": "a", "op": "exists", "value": 1}),
        ("value", {"type": "attribute", "name": "a", "op": "at_most", "value": "5"}),
        ("value", {"type": "attribute", "name": "a", "op": "at_most", "value": 1 << 70}),
        ("value", {"type": "attribute", "name": "a", "op": "contains", "value": True}),
        ("name", {"type": "attribute", "name": "", "op": "exists"}),
        ("since", {"type": "created"}),
        ("since", {"type": "created", "since": "2026-03-01T12:00:00"}),
        ("within_days", {"type": "created", "within_days": 0}),
        ("kind", {"type": "event", "kind": "danced"}),
        ("list_id", {"type": "list", "list_id": "five"}),
    ],
)
def test_a_leaf_is_told_by_the_field_that_is_wrong(field: str, leaf: dict[str, Any]) -> None:
    assert list(bad(leaf)) == [field]
    assert list(bad({"type": "not", "of": leaf})) == [f"of.{field}"]


def test_depth_and_size_are_limited() -> None:
    read_tree(nested(DEPTH_MAX))
    assert list(bad(nested(DEPTH_MAX + 1)).values()) == ["too_deep"]
    assert list(bad(nested(900)).values()) == ["too_deep"]
    read_tree({"type": "or", "of": [ON_LIST] * (NODES_MAX - 1)})
    assert bad({"type": "or", "of": [ON_LIST] * 5000}) == {f"of[{NODES_MAX - 1}]": "too_many"}


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "of", "name", "op", "value", "list_id"]), inner)
        | st.fixed_dictionaries({"type": st.sampled_from(["and", "or", "not", "field", "list"]), "of": inner})
    ),
    max_leaves=8,
)


@given(anything)
def test_anything_is_read_or_refused_with_paths(given_: object) -> None:
    problems: tuple[FieldProblem, ...] = ()
    try:
        read_tree(given_)
    except InvalidInput as refused:
        problems = refused.problems or (FieldProblem("", "", "refused without a problem"),)
    assert all(problem.field.startswith("definition") for problem in problems)


def test_days_are_counted_from_the_moment_it_is_settled() -> None:
    opened, created = tree.HasEvent("opened", within_days=2), tree.Created(since=NOON, within_days=1)
    settled = tree.settled(tree.Not(tree.Or((opened, created))), NOON + timedelta(days=9))
    day = [NOON + timedelta(days=days) for days in range(9)]
    assert settled == tree.Not(tree.Or((tree.HasEvent("opened", since=day[7]), tree.Created(since=day[8]))))
