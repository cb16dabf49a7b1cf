"""Work items as use cases see them; claims, windows and sweeps are the ledger's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, case, func, not_, or_

from courierx_core.errors import Conflict, Fenced
from courierx_core.work import OF_MESSAGE, Standing, Topic, WorkItem
from courierx_sql.clock import now
from courierx_sql.columns import Utc
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import work

_GIVEN_BACK: dict[str, Any] = {"owner": "", "lease_until": None}
_AGAIN = case((work.c.lease_until.is_(None), "ready"), else_="leased")
_OPEN = ("ready", "leased")


class WorkRows(Slice[WorkItem]):
    table = work
    struct = WorkItem
    noun = "work item"

    def add(self, item: WorkItem, *, delay_seconds: float = 0.0) -> WorkItem:
        added = self._insert(item, due_at=now(delay_seconds) if item.due_at is None else item.due_at)
        if added is None:
            raise Conflict("A work item with this id exists.")
        return added

    def hold(self, subject_id: int, *, topics: Sequence[Topic] = OF_MESSAGE) -> int:
        # A window or a snapshot under way may be adding items of its own, which a statement that waits for
        # its lock does not see; the next one does.
        locks = self._tenant.select(work, work.c.id).where(*_of(subject_id, topics), work.c.state.in_(_OPEN))
        self._tenant.execute(locks.order_by(work.c.id).with_for_update()).all()
        return self._move(subject_id, topics, _OPEN, {"state": "held"})

    def unhold(self, subject_id: int, *, topics: Sequence[Topic] = OF_MESSAGE) -> int:
        due = case((work.c.due_at < now(), now()), else_=work.c.due_at)
        return self._move(subject_id, topics, ("held",), {"state": _AGAIN, "error": "", "due_at": due})

    def end(self, subject_id: int, *, topics: Sequence[Topic]) -> Sequence[WorkItem]:
        ended = self._tenant.update(work).where(*_of(subject_id, topics), work.c.state != "done")
        rows = self._tenant.execute(ended.values(state="done", **_GIVEN_BACK).returning(work))
        return [self._read(row._mapping) for row in rows]

    def hold_all(self, why: str, *, topics: Sequence[Topic]) -> int:
        statement = self._tenant.update(work).where(work.c.topic.in_(topics), work.c.state.in_(_OPEN))
        return self._tenant.execute(statement.values(state="held", error=why)).rowcount

    def held_for(self, why: str) -> Sequence[tuple[Topic, int]]:
        statement = self._tenant.select(work, work.c.topic, work.c.subject_id).where(
            work.c.state == "held", work.c.error == why
        )
        return [(row.topic, row.subject_id) for row in self._tenant.execute(statement.distinct())]

    def hasten(self, subject_id: int, *, topics: Sequence[Topic]) -> int:
        later = self._tenant.update(work).where(
            *_of(subject_id, topics), work.c.state == "ready", work.c.due_at > now()
        )
        return self._tenant.execute(later.values(due_at=now())).rowcount

    def advance(
        self,
        item: WorkItem,
        *,
        cursor: int,
        counts: Mapping[str, int] | None = None,
        done: bool = False,
        error: str = "",
        delay_seconds: float | None = None,
    ) -> None:
        values: dict[str, Any] = {"cursor": cursor, "error": error}
        if counts is not None:
            values["counts"] = dict(counts)
        if done:
            values |= {"state": "done", **_GIVEN_BACK}
        elif delay_seconds is not None:
            values |= {"state": "ready", "due_at": now(delay_seconds), **_GIVEN_BACK}
        ours = (work.c.epoch == item.epoch, work.c.state == "leased")
        if self._update(item.id, values, *ours) is None:
            raise Fenced(
                f"The lease on work item {item.id} is no longer ours: taken over, paused or cancelled."
            )

    def open_items(self, subject_id: int, *, topics: Sequence[Topic] = OF_MESSAGE) -> int:
        statement = self._tenant.select(work, func.count()).where(
            *_of(subject_id, topics), work.c.state != "done"
        )
        return int(self._tenant.execute(statement).scalar_one())

    def standing(self, subject_id: int, *, stale_seconds: float, limit: int = 20) -> Standing:
        ours = _of(subject_id, OF_MESSAGE)
        leased, ready, late = work.c.state == "leased", work.c.state == "ready", work.c.due_at > now()
        stale = and_(leased, work.c.lease_until < now(stale_seconds))
        sums = (
            func.count(case((or_(leased, and_(ready, not_(late))), 1))).label("moving"),
            func.count(case((stale, 1))).label("stale"),
            func.max(case((stale, work.c.lease_until)), type_=Utc()).label("until"),
        )
        row = self._tenant.execute(self._tenant.select(work, *sums).where(*ours)).one()
        waiting = self._tenant.select(work).where(*ours, ready, late).order_by(work.c.due_at).limit(limit)
        later = tuple(self._read(row._mapping) for row in self._tenant.execute(waiting))
        return Standing(moving=row.moving, stale=row.stale, stale_until=row.until, later=later)

    def _move(
        self, subject_id: int, topics: Sequence[Topic], states: Sequence[str], values: dict[str, Any]
    ) -> int:
        statement = self._tenant.update(work).where(*_of(subject_id, topics), work.c.state.in_(states))
        return self._tenant.execute(statement.values(**values)).rowcount

    def _values(self, value: WorkItem) -> dict[str, Any]:
        values = super()._values(value)
        values["ids"] = None if value.ids is None else list(value.ids)
        values["counts"] = dict(value.counts)
        return values

    def _read(self, row: RowMapping) -> WorkItem:
        ids = row["ids"]
        return WorkItem(**{**row, "ids": None if ids is None else tuple(ids)})


def _of(subject_id: int, topics: Sequence[Topic]) -> tuple[ColumnElement[bool], ...]:
    return work.c.subject_id == subject_id, work.c.topic.in_(topics)
