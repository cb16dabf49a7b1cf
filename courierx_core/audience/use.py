"""What an unfinished campaign depends on may not be deleted under it."""

from __future__ import annotations

from collections.abc import Callable

from courierx_core.audience.model import Audience
from courierx_core.errors import Conflict
from courierx_core.ports.store import UnitOfWork

SHOWN = 10


def refuse_in_use(unit: UnitOfWork, what: str, names: Callable[[Audience], bool]) -> None:
    """Raise Conflict where the audience of a campaign that is not over names it."""
    using = [campaign_id for campaign_id, audience in unit.campaigns.audiences().items() if names(audience)]
    if using:
        shown = ", ".join(map(str, sorted(using)[:SHOWN])) + (", ..." if len(using) > SHOWN else "")
        raise Conflict(f"{what} is in use by campaign {shown}: change, cancel or delete that first.")
