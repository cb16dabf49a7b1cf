"""What callers write about a campaign, and what they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from courierx_app.api.addresses import GivenAddress, address_of
from courierx_app.api.custom_headers import GivenHeaders
from courierx_core.audience.lists import unknown_lists
from courierx_core.audience.model import Audience
from courierx_core.audience.segments import unknown_segment
from courierx_core.campaigns.model import Campaign, PublicStatus, public_status
from courierx_core.campaigns.progress import Progress
from courierx_core.errors import FieldProblem, InvalidInput
from courierx_core.messages.model import GivenOnUncertain
from courierx_core.ports.store import UnitOfWork


class CampaignChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Every field may be left out; `body` is HTML if it holds a tag, else text. A `template_id`
    or `segment_id` of null takes it away."""

    name: str | None = None
    subject: str | None = None
    body: str | None = None
    html: str | None = None
    text: str | None = None
    from_email: GivenAddress | None = None
    from_name: str | None = None
    reply_to: GivenAddress | None = None
    template_id: int | msgspec.UnsetType | None = msgspec.UNSET
    list_ids: tuple[int, ...] | None = None
    exclude_list_ids: tuple[int, ...] | None = None
    segment_id: int | msgspec.UnsetType | None = msgspec.UNSET
    transport: str | None = None
    headers: GivenHeaders | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None
    utm: dict[str, str] | None = None
    """`source`, `medium`, `campaign`, `term`, `content`, `id`: what links tell the site's statistics."""
    unsubscribe: str | None = None
    on_uncertain: GivenOnUncertain | None = None
    """`resend` sends once more what is uncertain when everything else is over; `hold` leaves it to you; '' is
    the tenant's."""
    status: PublicStatus | None = None


class NewCampaign(CampaignChanges, frozen=True, kw_only=True):
    name: str
    subject: str
    tenant_id: int | None = None


class CampaignAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`status` says `sending` also while the audience is being prepared."""

    id: int
    tenant_id: int
    name: str
    subject: str
    body: str
    html: str
    text: str
    from_email: str
    from_name: str
    reply_to: str
    template_id: int | None
    list_ids: Sequence[int]
    exclude_list_ids: Sequence[int]
    segment_id: int | None
    transport: str
    headers: Mapping[str, str]
    track_opens: bool
    track_clicks: bool
    utm: Mapping[str, str]
    unsubscribe: str
    on_uncertain: GivenOnUncertain
    status: PublicStatus
    pause_reason: str
    message_id: int | None
    scheduled_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    progress: Progress | None = None
    """Where one campaign is shown, from its schedule on."""


_AUDIENCE = ("list_ids", "exclude_list_ids", "segment_id")


def campaign_of(unit: UnitOfWork, new: NewCampaign) -> Campaign:
    """Make a draft of what was given. Raises InvalidInput with every bad field."""
    draft = Campaign(tenant_id=unit.tenant_id, name=new.name, subject=new.subject)
    return changed(unit, draft, new)


def changed(unit: UnitOfWork, campaign: Campaign, given: CampaignChanges) -> Campaign:
    """Return the campaign with what was given in place. Raises InvalidInput with every bad field."""
    problems: list[FieldProblem] = []
    values: dict[str, Any] = {
        name: value
        for name, value in msgspec.structs.asdict(given).items()
        if value not in (None, msgspec.UNSET) and name not in (*_AUDIENCE, "status", "tenant_id")
    }
    if given.template_id is None:
        values["template_id"] = None
    for field in ("from_email", "reply_to"):
        if values.get(field):
            try:
                values[field] = str(address_of(values[field], field))
            except InvalidInput as problem:
                problems += problem.problems
    if "headers" in values:
        values["headers"] = tuple(values["headers"].items())
    audience = {
        name: value for name in _AUDIENCE if (value := getattr(given, name)) not in (None, msgspec.UNSET)
    }
    for field in ("list_ids", "exclude_list_ids"):
        problems += unknown_lists(unit, field, audience.get(field, ()))
    problems += unknown_segment(unit, audience.get("segment_id"))
    if problems:
        raise InvalidInput(*problems)
    if given.segment_id is None:
        audience["segment_id"] = None
    if audience:
        held = {name: getattr(campaign.audience, name) for name in _AUDIENCE}
        values["audience"] = Audience(**{**held, **audience})
    return msgspec.structs.replace(campaign, **values)


def shown(campaign: Campaign, progress: Progress | None = None) -> CampaignAnswer:
    """Return what callers see of a campaign."""
    values = msgspec.structs.asdict(campaign)
    audience: Audience = values.pop("audience")
    values["headers"] = dict(campaign.headers)
    values["status"] = public_status(campaign.status)
    return CampaignAnswer(
        **values,
        list_ids=audience.list_ids,
        exclude_list_ids=audience.exclude_list_ids,
        segment_id=audience.segment_id,
        progress=progress,
    )
