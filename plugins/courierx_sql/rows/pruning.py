"""Rows that are kept no longer, in steps that each leave everything as it should be."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, Table, exists, func, or_

from courierx_core.imports.model import OPEN
from courierx_core.ports.pruning import Gone, OldMessage
from courierx_core.ports.reports import Frozen
from courierx_core.work import OF_MESSAGE
from courierx_sql.accessor import Accessor
from courierx_sql.clock import now
from courierx_sql.rows import counters
from courierx_sql.rows.forgetting import emptied
from courierx_sql.rows.messages import MessageRows
from courierx_sql.tables import (
    attempts,
    deliveries,
    events,
    files,
    frozen_reports,
    import_errors,
    imports,
    message_counters,
    messages,
    pruned_deliveries,
    work,
)


class PruningRows:
    """See `ports.pruning.Pruning`."""

    def __init__(self, tenant: Accessor) -> None:
        self._tenant = tenant

    def old(self, *, before: datetime, after: int = 0, limit: int = 500) -> tuple[Sequence[OldMessage], int]:
        # By id and not by time, which has no index: ids grow with it, so the first young one is the end.
        columns = messages.c
        page = self._tenant.select(
            messages, columns.id, columns.campaign_id, columns.created_at, columns.completed_at,
            columns.pruned_at,
        )  # fmt: skip
        rows = self._tenant.execute(page.where(columns.id > after).order_by(columns.id).limit(limit)).all()
        seen = [*itertools.takewhile(lambda row: row.created_at < before, rows)]
        begun = self._with_rows([row.id for row in seen if row.pruned_at is not None])
        found = [
            OldMessage(id=row.id, campaign_id=row.campaign_id)
            for row in seen
            if row.completed_at is not None and row.completed_at < before
            if row.pruned_at is None or row.id in begun
        ]
        return found, seen[-1].id if len(seen) == limit else 0

    def weigh(self, message_ids: Sequence[int]) -> Gone:
        return Gone(deliveries=self._count(deliveries, message_ids), events=self._count(events, message_ids))

    def freeze(self, message_id: int, report: Frozen, *, before: datetime) -> bool:
        # The row's lock puts this before or after `reopen`; whichever is later finds the other.
        marked = self._tenant.update(messages).where(
            messages.c.id == message_id, messages.c.completed_at < before, messages.c.pruned_at.is_(None)
        )
        if not self._tenant.execute(marked.values(pruned_at=now())).rowcount:
            return False
        kept = self._tenant.insert(frozen_reports)
        self._tenant.execute(kept.values(message_id=message_id, report=msgspec.to_builtins(report)))
        return True

    def deliveries(self, message_id: int, *, after: int = 0, limit: int = 5000) -> tuple[Gone, int]:
        self._lock(message_id)
        # A narrow range of the primary key, whatever a planner thinks of the message: its ids are in blocks.
        rows = self._range(message_id, after, limit)
        if not rows:
            later = self._tenant.select(deliveries, func.min(deliveries.c.id)).where(
                deliveries.c.message_id == message_id, deliveries.c.id > after
            )
            first = self._tenant.execute(later).scalar_one()
            if first is None:
                return self._end([message_id]), 0
            rows = self._range(message_id, first - 1, limit)
        lo, hi = rows[0].id, rows[-1].id
        self._keep_people(rows)
        self._delete(attempts, attempts.c.message_id == message_id, attempts.c.delivery_id.between(lo, hi))
        of_them = (events.c.message_id == message_id, events.c.delivery_id.between(lo, hi))
        gone = Gone(deliveries=len(rows), events=self._delete(events, *of_them))
        this = (deliveries.c.message_id == message_id, deliveries.c.id.between(lo, hi))
        self._delete(deliveries, *this)
        return gone, hi

    def singles(self, message_ids: Sequence[int], *, before: datetime) -> Gone:
        columns = messages.c
        held = self._tenant.select(messages, columns.id, columns.content["links"].label("links")).where(
            columns.id.in_(message_ids), columns.campaign_id.is_(None), columns.completed_at < before
        )
        found = self._tenant.execute(held.order_by(columns.id).with_for_update()).all()
        ids = [row.id for row in found]
        stay = [row.id for row in found if row.links]
        rows = self._tenant.execute(_people(self._tenant).where(deliveries.c.message_id.in_(ids))).all()
        self._keep_people([row for row in rows if row.message_id in stay])
        self._delete(attempts, attempts.c.delivery_id.in_([row.id for row in rows]))
        gone = self._end(ids)
        self._delete(deliveries, deliveries.c.message_id.in_(ids))
        away = [*{*ids} - {*stay}]
        self._delete(message_counters, message_counters.c.message_id.in_(away))
        self._delete(messages, columns.id.in_(away))
        for message_id in stay:
            self._empty(message_id)
        return gone.plus(Gone(messages=len(ids), deliveries=len(rows)))

    def old_imports(self, *, before: datetime, after: int = 0, limit: int = 500) -> Sequence[int]:
        columns = imports.c
        over = (columns.id > after, columns.finished_at < before)
        found = self._tenant.select(imports, columns.id).where(*over)
        return self._tenant.execute(found.order_by(columns.id).limit(limit)).scalars().all()

    def import_(self, import_id: int) -> Gone:
        columns = imports.c
        over = self._tenant.delete(imports).where(columns.id == import_id, columns.state.not_in(OPEN))
        row = self._tenant.execute(over.returning(columns.file_id, columns.workbook_id)).one_or_none()
        if row is None:
            return Gone()
        self._delete(import_errors, import_errors.c.import_id == import_id)
        self._delete(files, files.c.id.in_([each for each in row if each is not None]))
        self._delete(work, work.c.subject_id == import_id, work.c.topic == "import")
        return Gone(imports=1)

    def person(self, delivery_id: int) -> int | None:
        columns = pruned_deliveries.c
        last = self._tenant.select(pruned_deliveries).where(columns.lo <= delivery_id)
        row = self._tenant.execute(last.order_by(columns.lo.desc()).limit(1)).one_or_none()
        if row is None or row.hi < delivery_id:
            return None
        return _unpacked(row.people)[delivery_id - row.lo] or None

    def _lock(self, message_id: int) -> None:
        """Let whoever prunes the same message wait: they find what is left."""
        this = self._tenant.select(messages, messages.c.id).where(messages.c.id == message_id)
        self._tenant.execute(this.with_for_update())

    def _range(self, message_id: int, after: int, limit: int) -> Sequence[Row[Any]]:
        this = (deliveries.c.message_id == message_id, deliveries.c.id.between(after + 1, after + limit))
        return self._tenant.execute(_people(self._tenant).where(*this)).all()

    def _keep_people(self, rows: Sequence[Row[Any]]) -> None:
        kept = [
            {"lo": run[0].id, "hi": run[-1].id, "message_id": run[0].message_id, "people": _packed(run)}
            for run in _runs(rows)
        ]
        if kept:
            self._tenant.execute(self._tenant.insert(pruned_deliveries), kept)

    def _end(self, message_ids: Sequence[int]) -> Gone:
        """Remove work items, whose counts the messages keep, and the events that are left."""
        theirs = work.c.subject_id.in_(message_ids)
        items = self._tenant.select(work, work.c.subject_id, work.c.counts)
        for item in self._tenant.execute(items.where(theirs, work.c.topic.in_(OF_MESSAGE))).all():
            counters.change(self._tenant, item.subject_id, item.counts)
        self._delete(work, theirs, work.c.topic.in_((*OF_MESSAGE, "refusal")))
        return Gone(events=self._delete(events, events.c.message_id.in_(message_ids)))

    def _empty(self, message_id: int) -> None:
        content = MessageRows(self._tenant).get(message_id).content
        kept = msgspec.structs.replace(emptied(content), links=content.links)
        this = self._tenant.update(messages).where(messages.c.id == message_id)
        self._tenant.execute(this.values(content=kept, pruned_at=now()))

    def _with_rows(self, message_ids: Sequence[int]) -> set[int]:
        """Return those of frozen messages that have deliveries or, as the last step removes, work items."""
        row = exists().where(self._tenant.owns(deliveries), deliveries.c.message_id == messages.c.id)
        item = exists().where(
            self._tenant.owns(work), work.c.subject_id == messages.c.id, work.c.topic.in_(OF_MESSAGE)
        )
        left = self._tenant.select(messages, messages.c.id).where(
            messages.c.id.in_(message_ids), or_(row, item)
        )
        return set(self._tenant.execute(left).scalars())

    def _count(self, table: Table, message_ids: Sequence[int]) -> int:
        counted = self._tenant.select(table, func.count()).where(table.c.message_id.in_(message_ids))
        return int(self._tenant.execute(counted).scalar_one())

    def _delete(self, table: Table, *conditions: ColumnElement[bool]) -> int:
        return self._tenant.execute(self._tenant.delete(table).where(*conditions)).rowcount


def _people(tenant: Accessor) -> Select[Any]:
    columns = deliveries.c
    return tenant.select(deliveries, columns.id, columns.message_id, columns.subscriber_id).order_by(
        columns.id
    )


def _runs(rows: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """Cut deliveries, in order, where an id is missing or the message is another."""
    run: list[Row[Any]] = []
    for row in rows:
        if run and (row.id != run[-1].id + 1 or row.message_id != run[-1].message_id):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _packed(run: Sequence[Row[Any]]) -> bytes:
    """Pack subscriber ids, 0 for none, as differences: a snapshot's nearly always rise by one, and a thousand
    then take 30 bytes."""
    ids = [row.subscriber_id or 0 for row in run]
    steps = [one - other for one, other in zip(ids, [0, *ids], strict=False)]
    return zlib.compress(struct.pack(f"<{len(steps)}q", *steps))


def _unpacked(people: bytes) -> Sequence[int]:
    steps = zlib.decompress(people)
    return [*itertools.accumulate(struct.unpack(f"<{len(steps) // 8}q", steps))]
