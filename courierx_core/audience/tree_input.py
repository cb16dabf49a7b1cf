"""Reading a segment's tree from a caller: every bad node is told with its path, and none is guessed at."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Union, get_args, get_origin

import msgspec

from courierx_core.audience.model import SubscriberStatus
from courierx_core.audience.tree import (
    NUMBER_MAX,
    NUMBER_OPS,
    And,
    Attribute,
    Created,
    Field,
    HasEvent,
    Node,
    Not,
    OnList,
    Or,
)
from courierx_core.errors import FieldProblem, InvalidInput

DEPTH_MAX = 8
NODES_MAX = 100
TEXT_MAX = 1000
"""Characters of a value."""
TEXTS_MAX = 100
"""Texts that one `in` takes."""
NAME_MAX = 255
DAYS_MAX = 36_500

LEAVES: Mapping[str, type[Field | Attribute | Created | OnList | HasEvent]] = {
    "field": Field, "attribute": Attribute, "created": Created, "list": OnList, "event": HasEvent,
}  # fmt: skip
KINDS = ("and", "or", "not", *LEAVES)
STATUSES = get_args(SubscriberStatus)


def read_tree(given: object, path: str = "definition") -> Node:
    """Make the tree of decoded JSON. Raises InvalidInput with every bad node's path."""
    reader = _Reader()
    node = reader.node(given, path, 1)
    if reader.problems or node is None:
        raise InvalidInput(*reader.problems)
    return node


class _Reader:
    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []
        self.nodes = 0

    def add(self, path: str, code: str, message: str) -> None:
        self.problems.append(FieldProblem(path, code, message))

    def node(self, given: object, path: str, depth: int) -> Node | None:
        """Read a node and all below it; None where it is wrong, with the problem noted."""
        self.nodes += 1
        if self.nodes == NODES_MAX + 1:
            self.add(path, "too_many", f"is more than the {NODES_MAX} conditions that a segment takes")
        if self.nodes > NODES_MAX:
            return None
        if not isinstance(given, dict):
            self.add(path, "invalid", f"takes an object with a type: {', '.join(KINDS)}")
            return None
        kind = given.get("type")
        if not isinstance(kind, str) or kind not in KINDS:
            self.add(f"{path}.type", "invalid", f"is one of: {', '.join(KINDS)}")
            return None
        if kind in LEAVES:
            return self._leaf(LEAVES[kind], given, path)
        if depth == DEPTH_MAX:
            self.add(path, "too_deep", f"is nested more than {DEPTH_MAX} deep")
            return None
        self._only(given, ("type", "of"), path)
        inner = given.get("of")
        if kind == "not":
            one = self.node(inner, f"{path}.of", depth + 1)
            return None if one is None else Not(one)
        if not isinstance(inner, list) or not inner:
            self.add(f"{path}.of", "invalid", "takes a list of at least one condition")
            return None
        read = [self.node(each, f"{path}.of[{at}]", depth + 1) for at, each in enumerate(inner)]
        whole = tuple(each for each in read if each is not None)
        if len(whole) < len(read):
            return None
        return And(whole) if kind == "and" else Or(whole)

    def _leaf(self, kind: type[Any], given: Mapping[str, object], path: str) -> Node | None:
        before = len(self.problems)
        fields = msgspec.structs.fields(kind)
        self._only(given, ("type", *(field.name for field in fields)), path)
        values: dict[str, Any] = {}
        for field in fields:
            value = given.get(field.name)
            if value is None:
                if field.required:
                    self.add(f"{path}.{field.name}", "required", "is missing")
                continue
            try:
                values[field.name] = msgspec.convert(value, field.type)
            except msgspec.ValidationError:
                self.add(f"{path}.{field.name}", "invalid", f"takes {takes(field.type)}")
        if len(self.problems) > before:
            return None
        leaf: Node = kind(**values)
        for name, code, message in _faults(leaf):
            self.add(f"{path}.{name}", code, message)
        return leaf if len(self.problems) == before else None

    def _only(self, given: Mapping[str, object], known: tuple[str, ...], path: str) -> None:
        # a misspelt `within_days` that was let pass would make the audience larger
        for name in given:
            if name not in known:
                self.add(f"{path}.{str(name)[:50]}", "unknown", f"is none of: {', '.join(known[1:])}")


_WORDS: Mapping[object, str] = {
    str: "a text", int: "a whole number", float: "a number", bool: "true or false",
    datetime: "a time with its offset, such as 2026-01-31T12:00:00Z",
}  # fmt: skip


def takes(kind: Any) -> str:
    """Say what a field takes."""
    if get_origin(kind) in (Union, types.UnionType):
        return ", or ".join(takes(part) for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is tuple:
        return "a list of texts"
    return _WORDS.get(kind) or f"one of: {', '.join(map(str, get_args(kind)))}"


def _faults(leaf: Node) -> Iterator[tuple[str, str, str]]:
    """Give what is wrong with a leaf whose fields have the right types: field, code, sentence."""
    match leaf:
        case Field():
            yield from _of_text(leaf.op, leaf.value)
            values = (leaf.value,) if isinstance(leaf.value, str) else leaf.value
            if leaf.name == "status" and leaf.op not in ("equals", "in"):
                yield "op", "invalid", "is equals or in, for a status"
            elif leaf.name == "status" and not set(values) <= set(STATUSES):
                yield "value", "invalid", f"is one of: {', '.join(STATUSES)}"
        case Attribute():
            if not 1 <= len(leaf.name) <= NAME_MAX or "\0" in leaf.name:
                yield "name", "length", f"takes 1 to {NAME_MAX} characters, and no NUL"
            yield from _of_attribute(leaf)
        case Created() | HasEvent():
            yield from _of_times(leaf)
            if isinstance(leaf, Created) and leaf == Created():
                yield "since", "required", "is missing: name since, before or within_days"


def _of_attribute(leaf: Attribute) -> Iterator[tuple[str, str, str]]:
    value = leaf.value
    if leaf.op == "exists":
        if value is not None:
            yield "value", "invalid", "has no place beside exists"
    elif value is None:
        yield "value", "required", "is missing"
    elif isinstance(value, bool):
        if leaf.op != "equals":
            yield "value", "invalid", "is true or false, which only equals takes"
    elif leaf.op in NUMBER_OPS or (leaf.op == "equals" and isinstance(value, int | float)):
        if not isinstance(value, int | float):
            yield "value", "invalid", f"takes a number, for {leaf.op}"
        elif not -NUMBER_MAX <= value <= NUMBER_MAX:
            yield "value", "out_of_range", "takes numbers up to a quadrillion"
    elif isinstance(value, int | float):
        yield "value", "invalid", f"takes a text, for {leaf.op}"
    else:
        yield from _of_text(leaf.op, value)


def _of_text(op: str, value: str | tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    if (op == "in") is isinstance(value, str):
        yield "value", "invalid", f"takes {'a list of texts' if op == 'in' else 'one text'}, for {op}"
        return
    texts = (value,) if isinstance(value, str) else value
    if not 1 <= len(texts) <= TEXTS_MAX:
        yield "value", "length", f"takes 1 to {TEXTS_MAX} texts"
    elif any(len(text) > TEXT_MAX or "\0" in text for text in texts):
        yield "value", "too_long", f"takes at most {TEXT_MAX} characters, and no NUL"
    elif op not in ("equals", "in") and not value:
        yield "value", "required", "must not be empty"


def _of_times(leaf: Created | HasEvent) -> Iterator[tuple[str, str, str]]:
    for name in ("since", "before"):
        at = getattr(leaf, name)
        if at is not None and (at.tzinfo is None or not 1 < at.year < 9999):
            yield name, "invalid", f"takes {takes(datetime)}"
    if leaf.within_days is not None and not 1 <= leaf.within_days <= DAYS_MAX:
        yield "within_days", "out_of_range", f"takes 1 to {DAYS_MAX} days"
