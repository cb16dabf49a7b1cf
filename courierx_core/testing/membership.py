"""What a segment's tree means, in plain Python: what every store is held to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from operator import eq, ge, gt, le, lt

import msgspec

from courierx_core.audience import tree
from courierx_core.audience.model import Subscriber
from courierx_core.feedback.model import Event

COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "equals": eq, "less_than": lt, "at_most": le, "more_than": gt, "at_least": ge,
}  # fmt: skip


class Person(msgspec.Struct, frozen=True):
    """A subscriber with the lists they are subscribed to and the events of their address."""

    subscriber: Subscriber
    list_ids: Set[int] = frozenset()
    events: Sequence[Event] = ()


def belongs(node: tree.Node, person: Person, messages: Mapping[int, int | None]) -> bool:
    """Tell whether a person is in a settled segment; `messages` gives each campaign's message."""
    match node:
        case tree.And(of):
            return all(belongs(each, person, messages) for each in of)
        case tree.Or(of):
            return any(belongs(each, person, messages) for each in of)
        case tree.Not(of):
            return not belongs(of, person, messages)
        case tree.Field(name, op, value):
            return _text(getattr(person.subscriber, name), op, value)
        case tree.Attribute(name):
            stored = person.subscriber.attributes.get(name)
            return stored is not None and _attribute(stored, node)
        case tree.Created():
            at = person.subscriber.created_at
            return at is not None and _between(at, node)
        case tree.OnList(list_id):
            return list_id in person.list_ids
        case tree.HasEvent():
            return any(_is(event, node, messages) for event in person.events)


def _attribute(stored: object, node: tree.Attribute) -> bool:
    value = node.value
    match value:
        case None:
            return True
        case bool():
            return stored is value
        case int() | float():
            number = _number(stored)
            return number is not None and COMPARED[node.op](number, value)
        case _:
            if isinstance(stored, str):
                return _text(stored, node.op, value)
            texts = [each for each in stored if isinstance(each, str)] if isinstance(stored, list) else []
            return node.op == "contains" and value in texts


def _number(stored: object) -> float | None:
    if isinstance(stored, bool):
        return None
    if isinstance(stored, str):
        reads = len(stored) <= tree.NUMBER_TEXT_MAX and re.fullmatch(tree.NUMBER_TEXT, stored)
        return float(stored) if reads else None
    return stored if isinstance(stored, int | float) else None


def _text(stored: str, op: str, value: str | tuple[str, ...]) -> bool:
    if not isinstance(value, str):
        return stored in value
    tests: Mapping[str, bool] = {
        "equals": stored == value,
        "contains": value in stored,
        "starts_with": stored.startswith(value),
        "ends_with": stored.endswith(value),
    }
    return tests[op]


def _between(at: datetime, node: tree.Created | tree.HasEvent) -> bool:
    return (node.since is None or at >= node.since) and (node.before is None or at < node.before)


def _is(event: Event, node: tree.HasEvent, messages: Mapping[int, int | None]) -> bool:
    if event.kind != node.kind or event.machine or not _between(event.at, node):
        return False
    message_id = messages.get(node.campaign_id) if node.campaign_id is not None else event.message_id
    return node.campaign_id is None or (message_id is not None and event.message_id == message_id)
