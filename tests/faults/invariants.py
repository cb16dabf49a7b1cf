"""LEDGER section 3: what must hold after every fault, asserted from the rows and the server's spool.

I8 (in time) is `Site.finish`, which comes before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from courierx_core.delivery.model import OPEN, Delivery
from courierx_core.ports.store import UnitOfWork
from tests.faults.site import WINDOW, Site

SHOWN = 5


def check_invariants(
    site: Site,
    audiences: Mapping[int, Collection[str]],
    *,
    killed: int = 0,
    window: int = WINDOW,
    uncertain: int | None = None,
    sent_again: Collection[str] = (),
    suppressed: Collection[str] = (),
) -> Counter[str]:
    """Assert I1-I7 of `audiences` (campaign id -> addresses); return the states of all together.

    `killed` workers may each leave a window uncertain, or exactly `uncertain` are. `sent_again` are
    addresses that a person asked to be mailed twice. `suppressed` were so before their intent.
    """
    deliveries: dict[str, Delivery] = {}
    for campaign_id, addresses in audiences.items():
        deliveries |= _books_of(site, campaign_id, addresses)
    states = Counter(each.state for each in deliveries.values())
    _check_sink(site, deliveries, sent_again)
    if uncertain is not None:
        assert states["uncertain"] == uncertain, f"I4: {states['uncertain']} are uncertain, not {uncertain}"
    most = window * killed
    assert uncertain is not None or states["uncertain"] <= most, (
        f"I4: {states['uncertain']} are uncertain; {killed} killed workers with a window of {window}"
        f" explain {most}: {_some(d for d in deliveries.values() if d.state == 'uncertain')}"
    )
    mailed = set(suppressed) & {message.recipient for message in site.server.received()}
    assert not mailed, f"I6: suppressed before their intent, and mailed: {sorted(mailed)[:SHOWN]}"
    return states


def _books_of(site: Site, campaign_id: int, addresses: Collection[str]) -> dict[str, Delivery]:
    """Check one campaign's own books; return send id -> delivery."""
    with site.courier.store.begin(site.tenant_id, write=False) as unit:
        campaign = unit.campaigns.get(campaign_id)
        assert campaign.message_id is not None, f"campaign {campaign_id} has not started"
        rows = all_deliveries(unit, campaign.message_id)
        totals, counted = (
            unit.deliveries.totals(campaign.message_id),
            unit.deliveries.recount(campaign.message_id),
        )
        open_items = unit.work.open_items(campaign.message_id)
        completed_at = unit.messages.get(campaign.message_id).completed_at
        broken = unit.upkeep.broken()
    have, wanted = Counter(row.address for row in rows), Counter(addresses)
    assert have == wanted, (
        f"I1: campaign {campaign_id} skipped {_some((wanted - have).elements())} and has too many of"
        f" {_some((have - wanted).elements())}"
    )
    assert counted == Counter(row.state for row in rows)
    assert not broken, f"`courierx db check` would say {broken}"
    assert totals == counted, f"I5: campaign {campaign_id}'s counters say {totals}, its rows {counted}"
    assert sum(totals.values()) == len(addresses), f"I1: {totals} are not {len(addresses)} people"
    open_rows = [row for row in rows if row.state in OPEN]
    if campaign.status == "cancelled":
        assert not open_rows, f"I7: cancelled, and {len(open_rows)} rows are open: {_some(open_rows)}"
        return {send_id(site, row): row for row in rows}
    over = not open_items and not open_rows
    told = f"with {open_items} open items and {len(open_rows)} open rows: {_some(open_rows)}"
    completed = "completed" if completed_at else "not completed"
    assert (completed_at is not None) == over, f"I7: campaign {campaign_id}'s message is {completed} {told}"
    assert (campaign.status == "completed") == over, f"I7: campaign {campaign_id} is {campaign.status} {told}"
    return {send_id(site, row): row for row in rows}


def _check_sink(site: Site, deliveries: Mapping[str, Delivery], sent_again: Collection[str]) -> None:
    """Hold the rows against what the server took, message by message, by our send id."""
    received = site.server.received()
    ours = [message for message in received if message.send_id in deliveries]
    for message in ours:
        row = deliveries[message.send_id]
        assert row.address == message.recipient, f"delivery {row.id} went to {message.recipient}"
    copies = Counter(message.send_id for message in ours)
    twice = [
        deliveries[each] for each, n in copies.items() if n > 1 + (deliveries[each].address in sent_again)
    ]
    assert not twice, f"I2: {len(twice)} got more than one copy: {_some(twice)}"
    said = [
        row for key, row in deliveries.items() if row.state in ("accepted", "delivered") and not copies[key]
    ]
    assert not said, f"I3: {len(said)} are accepted, and the server never saw them: {_some(said)}"
    settled = ("accepted", "delivered", "uncertain")
    odd = [row for key, row in deliveries.items() if copies[key] and row.state not in settled]
    assert not odd, f"I3: the server has {len(odd)} that are neither accepted nor uncertain: {_some(odd)}"


def send_id(site: Site, row: Delivery) -> str:
    """Return the X-CourierX-Send-ID of a delivery."""
    return site.courier.tokens.mint("send", row.tenant_id, row.id)


def all_deliveries(unit: UnitOfWork, message_id: int) -> list[Delivery]:
    return list(_pages(unit, message_id))


def _pages(unit: UnitOfWork, message_id: int) -> Iterator[Delivery]:
    before: int | None = None
    while page := unit.deliveries.list(message_id=message_id, before=before, limit=1000):
        yield from page
        before = page[-1].id


def deliveries_of(site: Site, campaign_id: int) -> list[Delivery]:
    """Read a campaign's deliveries, by id."""
    message_id = site.campaign(campaign_id).message_id
    assert message_id is not None
    with site.courier.store.begin(site.tenant_id, write=False) as unit:
        return sorted(all_deliveries(unit, message_id), key=lambda row: row.id)


def _some(things: object) -> Sequence[object]:
    found = list(things)  # type: ignore[call-overload]
    return [
        (getattr(each, "address", None) and f"{each.id} {each.address} {each.state}") or each
        for each in found[:SHOWN]
    ]
