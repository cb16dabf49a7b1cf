"""How many people a campaign goes to, before it does."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from courierx_core.audience.segments import resolved
from courierx_core.campaigns.service import stream_of
from courierx_core.courier import Courier
from courierx_core.delivery.model import STATES
from courierx_core.ports.store import UnitOfWork


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How many people a campaign goes to. `states` always add up to `audience`."""

    campaign_id: int
    audience: int
    states: Mapping[str, int]


def reach(courier: Courier, unit: UnitOfWork, campaign_id: int) -> Reach:
    """Count whom a campaign would go to now; once it has started, whom it goes to."""
    campaign = unit.campaigns.get(campaign_id)
    if campaign.message_id is not None:
        states = unit.deliveries.totals(campaign.message_id)
    else:
        audience = resolved(unit, campaign.audience, courier.runtime.now())
        states = {str(k): n for k, n in unit.subscribers.forecast(audience, stream_of(campaign)).items()}
    return Reach(
        campaign_id=campaign_id,
        audience=sum(states.values()),
        states={state: states[state] for state in STATES if states.get(state)},
    )
