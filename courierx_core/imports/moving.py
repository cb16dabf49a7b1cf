"""People taken over from another system, with what they said there: which lists they are on and which they
left, who gets no mail, and whom the links in old mail mean. Taking somebody in twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from courierx_core.audience.model import Attribute, NewSubscriber, Subscriber
from courierx_core.audience.service import checked
from courierx_core.courier import Courier
from courierx_core.erasure.marks import erased_among
from courierx_core.errors import InvalidInput
from courierx_core.imports.model import Counts
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.model import Cause, Suppression


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A person as the other system has them. `on` and `off` are ids of our lists."""

    email: str
    first_name: str = ""
    last_name: str = ""
    attributes: Mapping[str, Attribute] = {}
    on: tuple[int, ...] = ()
    off: tuple[int, ...] = ()
    """Left: kept as such, so that nothing puts them on it again."""
    cause: Cause | None = None
    """Why they get no mail; None where they get it."""
    reason: str = ""
    link: str = ""
    """What names them in the other system's links (`audience.old_links`)."""


def take_in(
    courier: Courier, tenant_id: int, arrivals: Sequence[Arrival], *, update: bool = False
) -> tuple[Counts, Sequence[str]]:
    """Take in at most 10,000 people, as sets in one transaction; return what became of them, and why the bad
    ones are. Nobody who said stop here is brought back by what the other system says, or the other way."""
    people: dict[str, Arrival] = {}
    bad: list[str] = []
    for arrival in arrivals:
        try:
            person = _checked(tenant_id, arrival)
        except InvalidInput as problem:
            bad.append(f"{arrival.email[:254]}: {problem}")
            continue
        known = people.setdefault(person.email, person)
        if known is not person:  # one address, written in two ways
            people[person.email] = _merged(known, person)
    with courier.store.begin(tenant_id) as unit:
        for address in erased_among(courier, unit, people.keys()):
            del people[address]
        done = unit.subscribers.import_rows([_row(each) for each in people.values()], update=update)
        ids = unit.subscribers.ids(people)
        _put_on_lists(unit, people, ids)
        _suppress(unit, people.values())
    with courier.store.platform() as platform:
        platform.old_links.add(
            tenant_id, {arrival.link: ids[arrival.email] for arrival in people.values() if arrival.link}
        )
    counts = Counts(**msgspec.structs.asdict(done), bad=len(bad))
    return msgspec.structs.replace(
        counts, skipped=counts.skipped + len(arrivals) - len(bad) - len(people)
    ), bad


def _checked(tenant_id: int, arrival: Arrival) -> Arrival:
    person = checked(
        Subscriber(
            tenant_id=tenant_id,
            email=arrival.email,
            first_name=arrival.first_name,
            last_name=arrival.last_name,
            attributes=arrival.attributes,
        )
    )
    return msgspec.structs.replace(
        arrival, email=person.email, first_name=person.first_name, last_name=person.last_name
    )


def _merged(one: Arrival, other: Arrival) -> Arrival:
    """Keep the first one's names, and every stop of both."""
    off = tuple({*one.off, *other.off})
    return msgspec.structs.replace(
        one,
        on=tuple({*one.on, *other.on} - {*off}),
        off=off,
        cause=one.cause or other.cause,
        reason=one.reason or other.reason,
    )


def _row(arrival: Arrival) -> NewSubscriber:
    return NewSubscriber(arrival.email, arrival.first_name, arrival.last_name, arrival.attributes)


def _put_on_lists(unit: UnitOfWork, people: Mapping[str, Arrival], ids: Mapping[str, int]) -> None:
    on: dict[int, list[int]] = {}
    off: dict[int, list[int]] = {}
    for email, arrival in people.items():
        for list_ids, of_them in ((arrival.on, on), (arrival.off, off)):
            for list_id in list_ids:
                of_them.setdefault(list_id, []).append(ids[email])
    for list_id, those in on.items():
        unit.lists.subscribe(list_id, those)
    for list_id, those in off.items():
        unit.lists.subscribe(list_id, those)  # who was never on a list cannot have left it
        unit.lists.unsubscribe(list_id, those)


def _suppress(unit: UnitOfWork, arrivals: Iterable[Arrival]) -> None:
    stopped = [
        Suppression(
            tenant_id=unit.tenant_id, address=arrival.email, reason=arrival.reason, cause=arrival.cause
        )
        for arrival in arrivals
        if arrival.cause is not None
    ]
    known = unit.suppressions.among([each.address for each in stopped])
    unit.suppressions.add_many([each for each in stopped if each.address not in known])
    for each in stopped:
        if each.address in known:
            unit.suppressions.strengthen(each)
