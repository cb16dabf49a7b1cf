"""What a segment or an unfinished campaign depends on may not be deleted under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from courierx_core.audience.model import Audience, Segment
from courierx_core.audience.tree import HasEvent, Node, walk
from courierx_core.errors import Conflict
from courierx_core.ports.store import UnitOfWork

SHOWN = 10
PAGE = 1000


def refuse_in_use(unit: UnitOfWork, what: str, names: Callable[[Audience], bool]) -> None:
    """Raise Conflict where the audience of a campaign that is not over names it."""
    found = [campaign_id for campaign_id, audience in unit.campaigns.audiences().items() if names(audience)]
    _refuse(what, "campaign", found, "change, cancel or delete that first")


def refuse_in_segment(unit: UnitOfWork, what: str, names: Callable[[Node], bool]) -> None:
    """Raise Conflict where a condition of a segment names it."""
    found = [each.id for each in _segments(unit) if any(names(node) for _, node in walk(each.definition))]
    _refuse(what, "segment", found, "change or delete that first")


def campaigns_in_segments(unit: UnitOfWork) -> Set[int]:
    """Return the campaigns that conditions of segments name: their events are asked for."""
    nodes = (node for each in _segments(unit) for _, node in walk(each.definition))
    return {node.campaign_id for node in nodes if isinstance(node, HasEvent) and node.campaign_id is not None}


def _refuse(what: str, user: str, using: list[int], way: str) -> None:
    if using:
        shown = ", ".join(map(str, sorted(using)[:SHOWN])) + (", ..." if len(using) > SHOWN else "")
        raise Conflict(f"{what} is in use by {user} {shown}: {way}.")


def _segments(unit: UnitOfWork) -> Iterator[Segment]:
    before: int | None = None
    while page := unit.segments.list(before=before, limit=PAGE):
        yield from page
        before = page[-1].id
