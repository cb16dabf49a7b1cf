"""Use cases of mailing lists: named sets of people, many-to-many. Who left a list stays off it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from courierx_core.audience.model import Audience, MailingList
from courierx_core.audience.segments import unknown_segment
from courierx_core.audience.tree import OnList, walk
from courierx_core.audience.use import refuse_in_segment, refuse_in_use
from courierx_core.checking import Checks
from courierx_core.errors import FieldProblem, InvalidInput, NotFound
from courierx_core.ports.store import UnitOfWork

NAME_MAX = 255
DESCRIPTION_MAX = 1000
PEOPLE_MAX = 10_000
"""People that one call puts on a list or takes off; an import takes any number."""


def create(unit: UnitOfWork, name: str, *, public: bool = False, description: str = "") -> MailingList:
    """Make an empty list. Raises InvalidInput, Conflict when the tenant has one of that name."""
    new = MailingList(tenant_id=unit.tenant_id, name=name, public=public, description=description)
    return unit.lists.add(_checked(new))


def edit(
    unit: UnitOfWork,
    list_id: int,
    *,
    name: str | None = None,
    public: bool | None = None,
    description: str | None = None,
) -> MailingList:
    """Change what is given. Raises InvalidInput, NotFound, Conflict when the name is taken."""
    given = {"name": name, "public": public, "description": description}
    changes = {field: value for field, value in given.items() if value is not None}
    stored = unit.lists.get(list_id)
    return unit.lists.save(_checked(msgspec.structs.replace(stored, **changes))) if changes else stored


def remove(unit: UnitOfWork, list_id: int) -> None:
    """Delete a list; its people stay. Raises Conflict while a segment or an unfinished campaign names it:
    without an excluded list those on it would get the mail."""
    unit.lists.get(list_id)
    refuse_in_use(unit, f"List {list_id}", lambda audience: list_id in named_lists(audience))
    refuse_in_segment(unit, f"List {list_id}", lambda node: node == OnList(list_id))
    unit.lists.remove(list_id)


def subscribe(unit: UnitOfWork, list_id: int, subscriber_ids: Sequence[int]) -> int:
    """Put people on a list; return how many are new on it. Raises InvalidInput naming unknown ones."""
    unit.lists.get(list_id)
    _check_people(unit, subscriber_ids)
    return unit.lists.subscribe(list_id, subscriber_ids)


def unsubscribe(unit: UnitOfWork, list_id: int, subscriber_ids: Sequence[int]) -> int:
    """Take people off a list for good; return how many were on it. Raises InvalidInput."""
    unit.lists.get(list_id)
    _check_people(unit, subscriber_ids)
    return unit.lists.unsubscribe(list_id, subscriber_ids)


def named_lists(audience: Audience) -> tuple[int, ...]:
    """Return every list an audience depends on: included, excluded, or in the segment it began with."""
    inner = () if audience.segment is None else walk(audience.segment)
    return (
        *audience.list_ids,
        *audience.exclude_list_ids,
        *(node.list_id for _, node in inner if isinstance(node, OnList)),
    )


def check_audience(unit: UnitOfWork, audience: Audience) -> None:
    """Raise InvalidInput naming every list of an audience that is gone, and its segment."""
    problems = [
        *unknown_lists(unit, "list_ids", audience.list_ids),
        *unknown_lists(unit, "exclude_list_ids", audience.exclude_list_ids),
        *unknown_segment(unit, audience.segment_id),
    ]
    if problems:
        raise InvalidInput(*problems)


def unknown_lists(unit: UnitOfWork, field: str, list_ids: Sequence[int]) -> Iterator[FieldProblem]:
    """Give a problem for each list that is not the tenant's."""
    for at, list_id in enumerate(list_ids):
        try:
            unit.lists.get(list_id)
        except NotFound:
            yield FieldProblem(f"{field}[{at}]", "not_found", f"no list {list_id}")


def _checked(mailing_list: MailingList) -> MailingList:
    checks = Checks()
    name = checks.text("name", mailing_list.name, longest=NAME_MAX)
    description = checks.text(
        "description", mailing_list.description, longest=DESCRIPTION_MAX, required=False
    )
    checks.done()
    return msgspec.structs.replace(mailing_list, name=name, description=description)


def _check_people(unit: UnitOfWork, subscriber_ids: Sequence[int]) -> None:
    if not 1 <= len(subscriber_ids) <= PEOPLE_MAX:
        raise InvalidInput.of("subscriber_ids", "length", f"takes 1 to {PEOPLE_MAX} ids; import more")
    known = unit.subscribers.known(subscriber_ids)
    problems = [
        FieldProblem(f"subscriber_ids[{at}]", "not_found", f"no subscriber {each}")
        for at, each in enumerate(subscriber_ids)
        if each not in known
    ]
    if problems:
        raise InvalidInput(*problems)
