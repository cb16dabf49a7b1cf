"""Campaigns; `save` is a compare-and-set on the status, so that two starts make one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import RowMapping

from courierx_core.audience.model import Audience
from courierx_core.campaigns.model import Campaign, CampaignStatus, public_status
from courierx_core.errors import Conflict
from courierx_sql.rows.slice import Slice
from courierx_sql.tables import campaigns


class CampaignRows(Slice[Campaign]):
    table = campaigns
    struct = Campaign
    noun = "campaign"

    def add(self, campaign: Campaign) -> Campaign:
        added = self._insert(campaign)
        if added is None:
            raise Conflict("A campaign with this id exists.")
        return added

    def by_name(self, name: str) -> Campaign | None:
        found = self._page(None, 1, campaigns.c.name == name)
        return found[0] if found else None

    def list(
        self, *, before: int | None = None, limit: int = 100, statuses: Sequence[CampaignStatus] = ()
    ) -> Sequence[Campaign]:
        return self._page(before, limit, *([campaigns.c.status.in_(statuses)] if statuses else []))

    def save(self, campaign: Campaign, *, was: CampaignStatus) -> Campaign:
        saved = self._update(campaign.id, self._values(campaign), campaigns.c.status == was)
        if saved is None:
            present, before = public_status(self.get(campaign.id).status), public_status(was)
            raise Conflict(f"Campaign {campaign.id} is {present} now, no longer {before}; read it again.")
        return saved

    def made_of(self, template_id: int) -> Sequence[int]:
        statement = self._tenant.select(campaigns, campaigns.c.id).where(
            campaigns.c.template_id == template_id, campaigns.c.status.in_(("draft", "scheduled"))
        )
        return self._tenant.execute(statement.order_by(campaigns.c.id.desc())).scalars().all()

    def audiences(self) -> Mapping[int, Audience]:
        statement = self._tenant.select(campaigns, campaigns.c.id, campaigns.c.audience).where(
            campaigns.c.status.not_in(("completed", "cancelled"))
        )
        return {row.id: msgspec.convert(row.audience, Audience) for row in self._tenant.execute(statement)}

    def _read(self, row: RowMapping) -> Campaign:
        audience = msgspec.convert(row["audience"], Audience)
        headers = tuple((name, value) for name, value in row["headers"])
        return Campaign(**{**row, "audience": audience, "headers": headers})
