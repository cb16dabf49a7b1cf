"""Use cases of imports: a file handed in, and an import given up."""

from __future__ import annotations

from datetime import timedelta
from typing import BinaryIO

import msgspec

from courierx_core.checking import Checks
from courierx_core.courier import Courier
from courierx_core.errors import Conflict
from courierx_core.imports import spool
from courierx_core.imports.model import OPEN, Import, ImportKind, Options
from courierx_core.imports.steps import opened
from courierx_core.imports.workbook import check_workbook, is_workbook
from courierx_core.keep import Keep, nothing
from courierx_core.notify import notify
from courierx_core.ports.store import UnitOfWork
from courierx_core.suppression.model import REASON_MAX
from courierx_core.work import WorkItem

FILE_NAME_MAX = 255
RECEIVE_SECONDS = 3600.0
"""An upload that is not complete by then was cut off: its process died."""


def hand_in(
    courier: Courier,
    tenant_id: int,
    stream: BinaryIO,
    *,
    kind: ImportKind = "subscribers",
    file_name: str = "",
    options: Options | None = None,
    keep: Keep[Import] = nothing,
) -> Import:
    """Keep a file, CSV or a workbook, for a worker to take in. It must be one that can seek. Raises
    InvalidInput, NotFound for the list."""
    options = options or Options()
    workbook = is_workbook(stream)
    if workbook:
        check_workbook(stream)
        stream.seek(0)
    checks = Checks()
    file_name = checks.text("file_name", file_name, longest=FILE_NAME_MAX, required=False)
    checks.text("reason", options.reason, longest=REASON_MAX, required=False)
    checks.done()
    with courier.store.begin(tenant_id) as unit:
        if options.list_id is not None:
            unit.lists.get(options.list_id)
        made = unit.imports.add(
            Import(
                tenant_id=tenant_id,
                kind=kind,
                file_name=file_name,
                file_id=unit.files.new(),
                workbook_id=unit.files.new() if workbook else None,
                options=options,
            )
        )
        overdue = courier.runtime.now() + timedelta(seconds=RECEIVE_SECONDS)
        unit.work.add(msgspec.structs.replace(_work(made), due_at=overdue))
    size = spool.keep(courier, tenant_id, made.workbook_id or made.file_id, stream)
    with courier.store.begin(tenant_id) as unit:
        unit.work.end(made.id, topics=("import",))
        waiting = msgspec.structs.replace(made, state="waiting", size=size)
        made = unit.imports.save(waiting, was="receiving")
        unit.work.add(_work(made))
        keep(unit, made)
    notify(courier, "tasks")
    return made


def check_table(
    stream: BinaryIO, tenant_id: int, *, kind: ImportKind = "subscribers", options: Options | None = None
) -> None:
    """Look whether a CSV file begins as a table of that kind does. Raises InvalidInput."""
    opened(kind, stream, tenant_id, options or Options()).close()
    stream.seek(0)


def cancel(unit: UnitOfWork, import_id: int) -> Import:
    """Take nothing more of it in; the rows that are in stay. Raises NotFound, Conflict when it is over."""
    unit.work.end(import_id, topics=("import",))  # waits for a step that is just being committed
    found = unit.imports.get(import_id)
    if found.state not in OPEN:
        raise Conflict(f"Import {import_id} is {found.state}: there is nothing left to cancel.")
    drop_files(unit, found)
    return unit.imports.save(msgspec.structs.replace(found, state="cancelled"), was=found.state)


def drop_files(unit: UnitOfWork, import_: Import) -> None:
    """Let go of what an import was made from."""
    for file_id in (import_.file_id, import_.workbook_id):
        if file_id is not None:
            unit.files.remove(file_id)


def _work(import_: Import) -> WorkItem:
    return WorkItem(tenant_id=import_.tenant_id, stream="broadcast", topic="import", subject_id=import_.id)
