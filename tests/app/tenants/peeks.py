"""What one tenant's unit of work sees of another, where no route shows it; each yields what leaked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from courierx_core.audience.model import OptIn
from courierx_core.campaigns.report import taken_down
from courierx_core.errors import NotFound
from courierx_core.ports.driver import utcnow
from courierx_core.ports.idempotency import IdempotentAnswer
from courierx_core.ports.store import UnitOfWork
from courierx_core.testing.store_samples import new_message
from courierx_core.webhooks.model import Call
from courierx_core.work import WorkItem
from courierx_sql.tables import transports
from tests.app.tenants.world import CANARY, NOON, World

SECRET = b"their secret"


def peeks(world: World) -> Iterator[str]:
    """Ask our unit for what is theirs, by its number where it has one; yield the name of what answers."""
    theirs = _kept(world)
    ids = world.ids[world.theirs]
    with world.courier.store.begin(world.ours) as unit:
        for name, get in (
            ("a file", lambda: unit.files.piece(theirs["file"], 0)),
            ("a work item", lambda: unit.work.get(theirs["work"])),
            ("an opt-in", lambda: unit.opt_ins.get(theirs["opt_in"])),
        ):
            if _answers(get):
                yield name
        for name, found in (
            ("their opt-ins", unit.opt_ins.list(email=f"{CANARY}@x.example")),
            ("an answer", unit.idempotency.get(CANARY)),
            ("lines of an import", unit.imports.errors(ids["import"])),
            ("counts", unit.deliveries.totals(theirs["message"])),
            ("a frozen report", unit.reports.frozen(theirs["pruned"])),
            ("whom pruned mail was for", unit.pruning.person(theirs["pruned_delivery"])),
            ("the size of a list", unit.lists.sizes([ids["list"]])),
            ("the lists of a person", unit.lists.of(ids["subscriber"])),
            ("what a webhook is told", unit.webhook_calls.list(ids["webhook"])),
            ("a key of marks", unit.erasures.key()),
            ("a quota", unit.quotas.list()),
            ("a quota", unit.quotas.list()),
            ("a transport", unit.own_transports.list() or unit.own_transports.get(CANARY)),
            ("a secret", SECRET in _secrets(unit)),
        ):
            if found:
                yield name


def _answers(get: Callable[[], Any]) -> bool:
    try:
        get()
    except NotFound:
        return False
    return True


def _secrets(unit: UnitOfWork) -> list[bytes]:
    seen: list[bytes] = []

    def look(value: bytes) -> bytes:
        seen.append(value)
        return value

    unit.secrets.renew(look)
    return seen


def _kept(world: World) -> dict[str, int]:
    """Make for them what no route makes; return the numbers."""
    tenant = world.theirs
    with world.courier.store.begin(tenant) as unit:
        cancelled = new_message(unit)
        unit.deliveries.add(cancelled, [f"{CANARY}@x.example"])
        unit.deliveries.cancel_open(cancelled.id)
        pruned = new_message(unit, campaign_id=world.ids[tenant]["campaign"])
        (row,) = unit.deliveries.add(
            pruned, [f"{CANARY}@x.example"], subscriber_ids=[world.ids[tenant]["subscriber"]]
        )
        unit.deliveries.cancel_open(pruned.id)
        unit.messages.complete(pruned.id)
        unit.pruning.freeze(pruned.id, taken_down(unit, pruned.id), before=utcnow() + timedelta(hours=1))
        unit.pruning.deliveries(pruned.id)
        unit.idempotency.add(IdempotentAnswer(CANARY, b"", 200, b""))
        unit.erasures.keep_key(SECRET)
        unit.quotas.set("day", 7)
        unit.quotas.set("day", 10**9)
        unit.webhook_calls.add([Call(tenant_id=tenant, webhook_id=world.ids[tenant]["webhook"], type=CANARY)])
        rows = unit._rows  # type: ignore[attr-defined]
        theirs = {"name": CANARY, "driver": "mock", "settings": SECRET, "paused_reason": ""}
        rows.execute(rows.insert(transports).values(**theirs, updated_at=NOON))
        file_id = unit.files.new()
        unit.files.put(file_id, 0, b"theirs")
        return {
            "message": cancelled.id,
            "pruned": pruned.id,
            "pruned_delivery": row.id,
            "file": file_id,
            "opt_in": unit.opt_ins.add(OptIn(tenant_id=tenant, list_id=1, email=f"{CANARY}@x.example")).id,
            "work": unit.work.add(
                WorkItem(tenant_id=tenant, stream="broadcast", topic="schedule", subject_id=1)
            ).id,
        }
