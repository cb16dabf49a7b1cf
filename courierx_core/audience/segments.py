"""Use cases of segments: saved conditions, resolved anew each time they are counted or sent to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from courierx_core.audience.model import Audience, Segment
from courierx_core.audience.tree import HasEvent, Node, OnList, settled, walk
from courierx_core.audience.tree_input import read_tree
from courierx_core.audience.use import refuse_in_use
from courierx_core.checking import Checks
from courierx_core.errors import FieldProblem, InvalidInput, NotFound
from courierx_core.ports.store import UnitOfWork

NAME_MAX = 255


def create(unit: UnitOfWork, name: str, definition: object) -> Segment:
    """Save a segment. Raises InvalidInput with every bad field and node, Conflict when the name is taken."""
    name, tree = _checked(unit, name, definition)
    return unit.segments.add(Segment(tenant_id=unit.tenant_id, name=name, definition=tree))


def edit(unit: UnitOfWork, segment_id: int, name: str | None, definition: object = None) -> Segment:
    """Change a segment's name or its tree. Drafts follow it; what has started keeps what it began with."""
    stored = unit.segments.get(segment_id)
    given = stored.name if name is None else name
    name, tree = _checked(unit, given, definition, stored.definition)
    return unit.segments.save(msgspec.structs.replace(stored, name=name, definition=tree))


def remove(unit: UnitOfWork, segment_id: int) -> None:
    """Delete a segment; its people stay. Raises Conflict while an unfinished campaign names it."""
    unit.segments.get(segment_id)
    refuse_in_use(unit, f"Segment {segment_id}", lambda audience: audience.segment_id == segment_id)
    unit.segments.remove(segment_id)


def count(unit: UnitOfWork, definition: Node, now: datetime) -> int:
    """Count who is in a segment now, whatever their status."""
    return unit.subscribers.count(Audience(segment=settled(definition, now)))


def understood(unit: UnitOfWork, definition: object) -> Node:
    """Return the tree that a caller wrote. Raises InvalidInput with every bad node, and with lists and
    campaigns that are not the tenant's."""
    tree = read_tree(definition)
    problems = list(_unknown(unit, tree))
    if problems:
        raise InvalidInput(*problems)
    return tree


def resolved(unit: UnitOfWork, audience: Audience, now: datetime) -> Audience:
    """Return the audience with its segment's tree as it is now: what a count takes and a start freezes.

    Raises InvalidInput when the segment is gone.
    """
    if audience.segment_id is None:
        return audience
    try:
        tree = unit.segments.get(audience.segment_id).definition
    except NotFound:
        raise InvalidInput(*unknown_segment(unit, audience.segment_id)) from None
    return msgspec.structs.replace(audience, segment=settled(tree, now))


def unknown_segment(unit: UnitOfWork, segment_id: int | None) -> Iterator[FieldProblem]:
    """Give a problem for a segment that is not the tenant's."""
    if segment_id is None:
        return
    try:
        unit.segments.get(segment_id)
    except NotFound:
        yield FieldProblem("segment_id", "not_found", f"no segment {segment_id}")


def _checked(unit: UnitOfWork, name: str, definition: object, stored: Node | None = None) -> tuple[str, Node]:
    checks = Checks()
    name = checks.text("name", name, longest=NAME_MAX)
    tree = stored
    if definition is not None or tree is None:
        try:
            tree = understood(unit, definition)
        except InvalidInput as problem:
            checks.problems += problem.problems
    checks.done()
    assert tree is not None
    return name, tree


def _unknown(unit: UnitOfWork, tree: Node) -> Iterator[FieldProblem]:
    for path, node in walk(tree):
        try:
            match node:
                case OnList(list_id):
                    unit.lists.get(list_id)
                case HasEvent(campaign_id=int(campaign_id)):
                    unit.campaigns.get(campaign_id)
        except NotFound as missing:
            name = "list_id" if isinstance(node, OnList) else "campaign_id"
            yield FieldProblem(f"{path}.{name}", "not_found", str(missing).rstrip("."))
