"""A segment's tree: who is in it, said in fields, attributes, lists and events, with and, or, not.

It means the same on every store: texts are compared as they are written, letter by letter, and what a
person lacks matches nothing. `testing.membership` says it in plain Python, and holds the stores to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args

import msgspec

from courierx_core.feedback.model import FeedbackKind

TextOp: TypeAlias = Literal["equals", "in", "contains", "starts_with", "ends_with"]
NumberOp: TypeAlias = Literal["less_than", "at_most", "more_than", "at_least"]
AttributeOp: TypeAlias = Literal[TextOp, NumberOp, "exists"]
FieldName: TypeAlias = Literal["email", "first_name", "last_name", "status"]
Value: TypeAlias = str | int | float | bool | tuple[str, ...] | None

NUMBER_OPS: tuple[str, ...] = get_args(NumberOp)
NUMBER_MAX = 10**15
"""The largest number a tree names: up to here integers, decimals and floats compare alike everywhere."""
NUMBER_TEXT = r"-?[0-9]+(\.[0-9]+)?"
"""A text of this form, with at most NUMBER_TEXT_MAX characters, counts as a number: CSV has no others."""
NUMBER_TEXT_MAX = 15


class _Node(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    pass


class And(_Node, frozen=True, tag="and"):
    """Who meets every one of the conditions."""

    of: tuple[Node, ...]


class Or(_Node, frozen=True, tag="or"):
    """Who meets at least one of the conditions."""

    of: tuple[Node, ...]


class Not(_Node, frozen=True, tag="not"):
    """Who does not meet the condition."""

    of: Node


class Field(_Node, frozen=True, tag="field"):
    """A field of a person. `in` takes a list of texts, every other op one."""

    name: FieldName
    op: TextOp
    value: str | tuple[str, ...]


class Attribute(_Node, frozen=True, tag="attribute"):
    """An attribute of a person, by its name.

    `exists` takes no value. `equals` takes a text, a number, true or false. A number is compared with
    numbers, and with texts that read as one. `contains` finds a part of a text, or an element of a list.
    """

    name: str
    op: AttributeOp
    value: Value = None


class Created(_Node, frozen=True, tag="created"):
    """Who was added from `since` on, before `before`, or in the last `within_days`."""

    since: datetime | None = None
    before: datetime | None = None
    within_days: int | None = None


class OnList(_Node, frozen=True, tag="list"):
    """Who is subscribed to a list."""

    list_id: int


class HasEvent(_Node, frozen=True, tag="event"):
    """To whose address something happened, of any campaign or of one; what machines do is not counted."""

    kind: FeedbackKind
    campaign_id: int | None = None
    since: datetime | None = None
    before: datetime | None = None
    within_days: int | None = None


Node: TypeAlias = And | Or | Not | Field | Attribute | Created | OnList | HasEvent


def walk(node: Node, path: str = "definition") -> Iterator[tuple[str, Node]]:
    """Give every node with its path, parents first."""
    yield path, node
    match node:
        case And(of) | Or(of):
            for at, each in enumerate(of):
                yield from walk(each, f"{path}.of[{at}]")
        case Not(of):
            yield from walk(of, f"{path}.of")


def settled(node: Node, now: datetime) -> Node:
    """Return the tree with every `within_days` counted from `now`, so that its meaning stays."""
    match node:
        case And(of):
            return And(tuple(settled(each, now) for each in of))
        case Or(of):
            return Or(tuple(settled(each, now) for each in of))
        case Not(of):
            return Not(settled(of, now))
        case Created(within_days=int(days)) | HasEvent(within_days=int(days)):
            since = now - timedelta(days=days)
            since = since if node.since is None else max(since, node.since)
            return msgspec.structs.replace(node, since=since, within_days=None)
        case _:
            return node
