"""Moving from listmonk: its PostgreSQL is read, never written, and its people become subscribers of a tenant.

| there                                   | here                                                          |
| --------------------------------------- | ------------------------------------------------------------- |
| subscriber: name, attribs               | first and last name, attributes                               |
| list: public, or private and temporary  | list, shown to people or not                                  |
| subscription confirmed                  | on the list                                                   |
| unconfirmed, of a list with single opt-in | on the list: listmonk mails it                              |
| unconfirmed, of one with double opt-in  | not on the list: listmonk does not                            |
| unsubscribed                            | left the list, and stays off                                  |
| blocklisted                             | suppressed for all mail                                       |
| disabled                                | suppressed for mailings, as if unsubscribed                   |
| uuid, as in /subscription/CAMPAIGN/UUID | an old link, which goes on working here                       |

The tables are those of listmonk 2 to 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from courierx_core.audience import lists
from courierx_core.courier import Courier
from courierx_core.errors import ConfigError
from courierx_core.imports.model import Counts
from courierx_core.imports.moving import Arrival, take_in
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.model import Cause

STEP = 5_000
"""People read and taken in at a time."""
BAD_KEPT = 1_000

LISTS = "SELECT id, name, type::text AS type, optin::text AS optin, description FROM lists ORDER BY id"
PEOPLE = """
SELECT s.id, s.uuid::text AS uuid, s.email, s.name, s.attribs, s.status::text AS status,
       COALESCE((SELECT jsonb_object_agg(l.list_id::text, l.status::text)
                 FROM subscriber_lists l WHERE l.subscriber_id = s.id), '{}') AS lists
FROM subscribers s WHERE s.id > %(after)s ORDER BY s.id LIMIT %(limit)s
"""

STOPPED: Mapping[str, tuple[Cause, str]] = {
    "blocklisted": ("manual", "blocklisted in listmonk"),
    "disabled": ("unsubscribe", "disabled in listmonk"),
}
"""Status of a subscriber there -> cause and reason of a suppression here."""


class TheirList(msgspec.Struct, frozen=True):
    id: int
    name: str
    type: str
    optin: str
    description: str = ""


class TheirPerson(msgspec.Struct, frozen=True):
    id: int
    uuid: str
    email: str
    name: str
    attribs: Any
    status: str
    lists: Mapping[str, str]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What came over; `counts` are of the people."""

    lists: int
    counts: Counts
    suppressed: int
    errors: Sequence[str]


def move(
    courier: Courier,
    tenant_id: int,
    dsn: str,
    *,
    update: bool = False,
    progress: Callable[[int], None] = lambda rows: None,
) -> Moved:
    """Take everybody over, in flat memory. Safe to stop and to repeat: who is in is recognised.

    Raises ConfigError for a database that cannot be reached, or is not listmonk's.
    """
    counts, suppressed, errors = Counts(), 0, list[str]()
    try:
        with _connected(dsn) as theirs:
            theirs.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            known = _lists(theirs)
            with courier.store.begin(tenant_id) as unit:
                ours = _made(unit, known)
            for people in _people(theirs):
                arrivals = [_arrival(each, known, ours) for each in people]
                done, bad = take_in(courier, tenant_id, arrivals, update=update)
                counts = counts.plus(done)
                suppressed += sum(each.cause is not None for each in arrivals)
                errors += bad[: BAD_KEPT - len(errors)]
                progress(counts.rows)
    except psycopg.OperationalError as problem:
        raise ConfigError(f"listmonk's database cannot be reached: {_first_line(problem)}") from None
    except psycopg.ProgrammingError as problem:
        raise ConfigError(f"That is no database of listmonk 2 to 5: {_first_line(problem)}") from None
    return Moved(lists=len(known), counts=counts, suppressed=suppressed, errors=errors)


def _connected(dsn: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(dsn, application_name="courierx import", connect_timeout=10)
    except psycopg.ProgrammingError:  # whose text holds parts of the address
        raise ConfigError("DSN is no address such as postgresql://user:password@host/listmonk") from None


def _lists(theirs: psycopg.Connection[Any]) -> Mapping[int, TheirList]:
    with theirs.cursor(row_factory=class_row(TheirList)) as cursor:
        return {each.id: each for each in cursor.execute(LISTS)}


def _people(theirs: psycopg.Connection[Any]) -> Iterator[Sequence[TheirPerson]]:
    after = 0
    with theirs.cursor(row_factory=class_row(TheirPerson)) as cursor:
        while people := cursor.execute(PEOPLE, {"after": after, "limit": STEP}).fetchall():
            yield people
            after = people[-1].id


def _made(unit: UnitOfWork, theirs: Mapping[int, TheirList]) -> Mapping[int, int]:
    """Find the list of each of theirs by its name, or make it. Names are unique here and not there."""
    ours = {each.name: each.id for each in _every_list(unit)}
    made: dict[int, int] = {}
    for each in theirs.values():
        name = each.name.strip()[: lists.NAME_MAX - 30] or f"listmonk {each.id}"
        if ours.get(name) in made.values():
            name = f"{name} (listmonk {each.id})"
        if name not in ours:
            ours[name] = lists.create(
                unit,
                name,
                public=each.type == "public",
                description=each.description[: lists.DESCRIPTION_MAX],
            ).id
        made[each.id] = ours[name]
    return made


def _every_list(unit: UnitOfWork) -> Iterator[Any]:
    before = None
    while page := unit.lists.list(before=before, limit=1000):
        yield from page
        before = page[-1].id


def _arrival(person: TheirPerson, theirs: Mapping[int, TheirList], ours: Mapping[int, int]) -> Arrival:
    first, _, last = person.name.strip().partition(" ")
    cause, reason = STOPPED.get(person.status, (None, ""))
    statuses = {int(list_id): status for list_id, status in person.lists.items() if int(list_id) in ours}
    return Arrival(
        email=person.email,
        first_name=first,
        last_name=last.strip(),
        attributes=person.attribs if isinstance(person.attribs, dict) else {},
        on=tuple(ours[each] for each, status in statuses.items() if _mailed(theirs[each], status)),
        off=tuple(ours[each] for each, status in statuses.items() if status == "unsubscribed"),
        cause=cause,
        reason=reason,
        link=person.uuid,
    )


def _mailed(their_list: TheirList, status: str) -> bool:
    return status == "confirmed" or (status == "unconfirmed" and their_list.optin == "single")


def _first_line(problem: Exception) -> str:
    return str(problem).strip().partition("\n")[0]
