"""What is kept no longer: imports, and the rows of mail, whose report, counts and links stay."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from courierx_core.audience.use import campaigns_in_segments
from courierx_core.campaigns.report import taken_down
from courierx_core.ports.pruning import Gone
from courierx_core.ports.store import Store, UnitOfWork


class _Page(NamedTuple):
    singles: Sequence[int]
    campaigns: Sequence[int]
    after: int


def weigh(store: Store[Any], tenant_id: int, *, before: datetime) -> Gone:
    """Count what `prune` would remove."""
    gone, after, more = Gone(), 0, True
    with store.begin(tenant_id, write=False) as unit:
        gone = gone.plus(Gone(imports=sum(1 for _ in _imports(unit, before))))
        kept = campaigns_in_segments(unit)
        while more:
            page = _look(unit, before, after, kept)
            after, more = page.after, page.after > 0
            gone = gone.plus(unit.pruning.weigh([*page.singles, *page.campaigns]))
            gone = gone.plus(Gone(campaigns=len(page.campaigns), messages=len(page.singles)))
    return gone


def prune(store: Store[Any], tenant_id: int, *, before: datetime) -> Iterator[Gone]:
    """Remove the imports that were over and the mail that was completed before a time, in steps of one
    transaction each; give what went.

    Whoever stops or dies between two steps leaves everything as it should be, and the next run goes on. A
    campaign whose events a segment asks for is passed over.
    """
    with store.begin(tenant_id, write=False) as unit:
        imports = [*_imports(unit, before)]
    for import_id in imports:
        with store.begin(tenant_id) as unit:
            gone = unit.pruning.import_(import_id)
        yield gone
    after, more = 0, True
    while more:
        with store.begin(tenant_id, write=False) as unit:
            page = _look(unit, before, after, campaigns_in_segments(unit))
        after, more = page.after, page.after > 0
        if page.singles:
            with store.begin(tenant_id) as unit:
                gone = unit.pruning.singles(page.singles, before=before)
            yield gone
        for message_id in page.campaigns:
            yield from _deliveries(store, tenant_id, message_id, before)


def _imports(unit: UnitOfWork, before: datetime) -> Iterator[int]:
    after = 0
    while page := unit.pruning.old_imports(before=before, after=after):
        yield from page
        after = page[-1]


def _look(unit: UnitOfWork, before: datetime, after: int, kept: Collection[int]) -> _Page:
    found, after = unit.pruning.old(before=before, after=after)
    campaigns = [each.id for each in found if each.campaign_id is not None and each.campaign_id not in kept]
    return _Page([each.id for each in found if each.campaign_id is None], campaigns, after)


def _deliveries(store: Store[Any], tenant_id: int, message_id: int, before: datetime) -> Iterator[Gone]:
    with store.begin(tenant_id, write=False) as unit:
        frozen, report = unit.messages.get(message_id).pruned_at, taken_down(unit, message_id)
    if frozen is None:
        with store.begin(tenant_id) as unit:
            if not unit.pruning.freeze(message_id, report, before=before):
                return  # something of it was queued again just now
        yield Gone(campaigns=1)
    after, more = 0, True
    while more:
        with store.begin(tenant_id) as unit:
            gone, after = unit.pruning.deliveries(message_id, after=after)
        more = after > 0
        yield gone
