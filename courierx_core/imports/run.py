"""The worker's part of an import: steps, each in the transaction that moves it on."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import msgspec

from courierx_core.courier import Courier
from courierx_core.errors import CourierXError, Fenced, StoreError
from courierx_core.imports import spool
from courierx_core.imports.csvtable import Place
from courierx_core.imports.model import Import
from courierx_core.imports.service import drop_files
from courierx_core.imports.spool import LineStream, Spooled
from courierx_core.imports.steps import Step, opened, steps, take
from courierx_core.imports.workbook import csv_of
from courierx_core.work import WorkItem

log = logging.getLogger("courierx.imports")

TURN_SECONDS = 2.0
"""How long one import works before it gives way to other tasks: a campaign that is due cannot wait."""
ERRORS_MAX = 100_000
"""Bad lines an import keeps; the rest are only counted."""
CUT_OFF = "the upload was cut off; send the file again"


def take_in(courier: Courier, item: WorkItem) -> None:
    """Task of topic import: go on where the last step was committed, for TURN_SECONDS.

    What a step brings in, the counts, and where the next begins are committed together with the item's
    cursor: after a crash nothing is repeated and nothing lost. A file that cannot be read, or whose list is
    gone, fails and says why; what is in stays in.
    """
    with courier.store.begin(item.tenant_id, write=False) as unit:
        import_ = unit.imports.get(item.subject_id)
    if import_.state == "receiving":
        _fail(courier, item, import_, CUT_OFF)
        return
    began = courier.runtime.monotonic()
    try:
        if import_.workbook_id is not None:
            import_ = _unpack(courier, item, import_, import_.workbook_id)
        for step in _steps(courier, import_):
            import_ = _commit(courier, item, import_, step)
            if courier.runtime.monotonic() - began > TURN_SECONDS:
                with courier.store.begin(item.tenant_id) as unit:
                    unit.work.advance(item, cursor=import_.offset, delay_seconds=0)
                return
        _finish(courier, item, import_)
    except (Fenced, StoreError):
        raise
    except CourierXError as error:
        _fail(courier, item, import_, str(error))


def _unpack(courier: Courier, item: WorkItem, import_: Import, workbook_id: int) -> Import:
    """Make the table of a workbook, whole: what a crash left of it is made again."""
    with courier.store.begin(item.tenant_id) as unit:
        unit.work.advance(item, cursor=0)
        unit.files.remove(import_.file_id)
    workbook = io.BufferedReader(Spooled(courier, item.tenant_id, workbook_id, import_.size))
    table = io.BufferedReader(LineStream(csv_of(workbook)))
    size = spool.keep(
        courier, item.tenant_id, import_.file_id, table, also=lambda unit: unit.work.advance(item, cursor=0)
    )
    with courier.store.begin(item.tenant_id) as unit:
        unit.work.advance(item, cursor=0)
        unit.files.remove(workbook_id)
        unpacked = msgspec.structs.replace(import_, state="working", workbook_id=None, size=size)
        return unit.imports.save(unpacked, was=import_.state)


def _steps(courier: Courier, import_: Import) -> Iterator[Step]:
    stream = Spooled(courier, import_.tenant_id, import_.file_id, import_.size)
    place = Place(import_.offset, import_.line)
    options = import_.options
    return steps(opened(import_.kind, io.BufferedReader(stream), import_.tenant_id, options, place))


def _commit(courier: Courier, item: WorkItem, import_: Import, step: Step) -> Import:
    with courier.store.begin(item.tenant_id) as unit:
        unit.work.advance(item, cursor=step.place.offset)
        counts = import_.counts.plus(take(courier, unit, step, import_.options))
        unit.imports.note_errors(import_.id, step.bad[: max(0, ERRORS_MAX - import_.counts.bad)])
        moved = msgspec.structs.replace(
            import_, state="working", offset=step.place.offset, line=step.place.line, counts=counts
        )
        return unit.imports.save(moved, was=import_.state)


def _finish(courier: Courier, item: WorkItem, import_: Import) -> None:
    done = msgspec.structs.replace(import_, state="done", offset=import_.size)
    _end(courier, item, import_, done)


def _fail(courier: Courier, item: WorkItem, import_: Import, why: str) -> None:
    log.warning("import %s failed: %s", import_.id, why)
    _end(courier, item, import_, msgspec.structs.replace(import_, state="failed", error=why))


def _end(courier: Courier, item: WorkItem, import_: Import, ended: Import) -> None:
    with courier.store.begin(item.tenant_id) as unit:
        unit.work.advance(item, cursor=ended.offset, done=True, error=ended.error)
        drop_files(unit, import_)
        unit.imports.save(ended, was=import_.state)
