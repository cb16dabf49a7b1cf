"""What a tenant takes out as a file: people, the log, who gets no mail. Page by page, in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from courierx_core.audience.model import Subscriber, SubscriberStatus
from courierx_core.delivery.log import LogStatus
from courierx_core.delivery.log_answer import LogAnswer, log_answer
from courierx_core.errors import Conflict
from courierx_core.exports.csvlines import csv_lines
from courierx_core.ports.store import Store, UnitOfWork
from courierx_core.suppression.answer import SuppressionAnswer, suppression_answer

Form: TypeAlias = Literal["csv", "jsonl"]
PAGE = 1000
ATTRIBUTES_MAX = 1000
"""Columns that a CSV file has for attributes; who has more takes JSON lines."""


class Record(Protocol):
    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=Record)


class Export(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """What to read, newest first, and how a record becomes a line."""

    name: str
    page: Callable[[UnitOfWork, int | None], Sequence[R]]
    """Reads what is below an id."""
    columns: Callable[[UnitOfWork], Sequence[str]]
    cells: Callable[[R, Sequence[str]], Sequence[object]]


def subscribers(
    *, status: SubscriberStatus | None = None, list_id: int | None = None, q: str = ""
) -> Export[Subscriber]:
    """People, with a column for each attribute that somebody has."""
    return Export(
        name="subscribers",
        page=lambda unit, before: unit.subscribers.list(
            before=before, limit=PAGE, status=status, list_id=list_id, q=q
        ),
        columns=_subscriber_columns,
        cells=_subscriber_cells,
    )


def email_logs(
    *,
    message_id: int | None = None,
    status: LogStatus | None = None,
    address: str | None = None,
    since: datetime | None = None,
) -> Export[LogAnswer]:
    """The log, of one message if it is given; `since` is of the last change."""
    return Export(
        name="email-logs",
        page=lambda unit, before: [
            log_answer(line)
            for line in unit.deliveries.log(
                message_id=message_id, status=status, address=address, since=since, before=before, limit=PAGE
            )
        ],
        columns=lambda unit: LogAnswer.__struct_fields__,
        cells=_cells,
    )


def suppressions() -> Export[SuppressionAnswer]:
    """Who gets no mail, and why."""
    return Export(
        name="suppression",
        page=lambda unit, before: [
            suppression_answer(each) for each in unit.suppressions.list(before=before, limit=PAGE)
        ],
        columns=lambda unit: SuppressionAnswer.__struct_fields__,
        cells=_cells,
    )


def write(store: Store[Any], tenant_id: int, export: Export[R], form: Form) -> Iterator[bytes]:
    """Begin a file: read what it needs first, and give its lines as they are asked for.

    CSV has a line of names, and no cell that a spreadsheet would take for a formula. Each page is read in a
    transaction of its own; what is added meanwhile is left out. Raises Conflict for too many columns.
    """
    with store.begin(tenant_id, write=False) as unit:
        columns = export.columns(unit) if form == "csv" else ()
    return _lines(store, tenant_id, export, columns)


def _lines(store: Store[Any], tenant_id: int, export: Export[R], columns: Sequence[str]) -> Iterator[bytes]:
    if columns:
        yield csv_lines([columns])
    before: int | None = None
    while True:
        with store.begin(tenant_id, write=False) as unit:
            records = export.page(unit, before)
        if not records:
            return
        if columns:
            yield csv_lines(export.cells(record, columns) for record in records)
        else:
            yield b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        before = records[-1].id


_OWN = "attributes."
_PERSON = tuple(name for name in Subscriber.__struct_fields__ if name != "attributes")


def _subscriber_columns(unit: UnitOfWork) -> Sequence[str]:
    names = unit.subscribers.attribute_names(limit=ATTRIBUTES_MAX + 1)
    if len(names) > ATTRIBUTES_MAX:
        raise Conflict(
            f"People have more than {ATTRIBUTES_MAX:,} different attributes: too many columns for CSV."
            " Export them as JSON lines."
        )
    return (*_PERSON, *(_OWN + name if name in _PERSON else name for name in names))


def _subscriber_cells(person: Subscriber, columns: Sequence[str]) -> Sequence[object]:
    own = [getattr(person, name) for name in _PERSON]
    return [
        _cell(value) for value in (*own, *map(person.attributes.get, map(_attribute, columns[len(own) :])))
    ]


def _attribute(column: str) -> str:
    """Return the attribute of a column: one that is called like a person's own field is prefixed."""
    name = column.removeprefix(_OWN)
    return name if name in _PERSON else column


def _cells(record: object, columns: Sequence[str]) -> Sequence[object]:
    return [_cell(getattr(record, name)) for name in columns]


def _cell(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return msgspec.json.encode(value).decode() if isinstance(value, bool | Mapping | list | tuple) else value
