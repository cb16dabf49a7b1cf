"""What bounces of a campaign while it is still being sent, and when that is too much to go on.

Providers suspend an account for such rates, and every tenant's mail with it. This counts, as they do, what
was refused at once and what comes back later; the breaker is there for what mostly fails.
"""

from __future__ import annotations

from datetime import datetime

from courierx_core.campaigns.model import Campaign
from courierx_core.courier import Courier
from courierx_core.messages.service import pause_message
from courierx_core.ports.store import UnitOfWork

GIVEN_MIN = 200
"""Deliveries handed over before anything is concluded."""
BOUNCED_SHARE = 0.05
COMPLAINED_SHARE = 0.001
COMPLAINTS_MIN = 3
"""People who must have complained: of few deliveries one is a share already."""


def watch(courier: Courier, tenant_id: int) -> int:
    """Pause the tenant's campaigns under way of which too much comes back; return how many."""
    with courier.store.begin(tenant_id, write=False) as unit:
        found = [
            (unit.messages.get(campaign.message_id), why)
            for campaign in unit.campaigns.list(statuses=("sending",), limit=1000)
            if campaign.message_id is not None and (why := _look(unit, campaign, campaign.message_id))
        ]
    for message, why in found:
        pause_message(courier, message, why)
    return len(found)


def verdict(given: int, bounced: int, complained: int) -> str:
    """Say why a campaign must pause, by how many deliveries were handed over and how many people's mail
    bounced or annoyed them; '' while it may go on."""
    if given < GIVEN_MIN:
        return ""
    if bounced > given * BOUNCED_SHARE:
        return f"{_part(bounced, given)} bounced; more than {BOUNCED_SHARE:.0%} harms the sender's reputation"
    if complained >= COMPLAINTS_MIN and complained > given * COMPLAINED_SHARE:
        told = _part(complained, given)
        return f"{told} were complained of; more than {COMPLAINED_SHARE:.1%} harms the sender's reputation"
    return ""


def _look(unit: UnitOfWork, campaign: Campaign, message_id: int) -> str:
    """Judge what came back since the campaign last started or went on: a resume is a person's word that
    what came before is known."""
    totals = unit.deliveries.totals(message_id)
    given = sum(totals.get(state, 0) for state in ("accepted", "delivered", "bounced"))
    if given < GIVEN_MIN:
        return ""
    since: datetime | None = campaign.updated_at
    told = {kind: tally.people for kind, tally in unit.events.tally(message_id, since=since).items()}
    return verdict(given, told.get("bounced", 0), told.get("complained", 0))


def _part(count: int, given: int) -> str:
    return f"{count:,} of {given:,} deliveries ({count / given:.1%})"
