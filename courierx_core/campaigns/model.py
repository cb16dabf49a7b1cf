"""Campaigns: a tenant's mailing, from draft to completed. Transitions are pure and total."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from courierx_core.audience.model import Audience
from courierx_core.errors import Conflict
from courierx_core.messages.model import GivenOnUncertain

CampaignStatus: TypeAlias = Literal[
    "draft", "scheduled", "preparing", "sending", "paused", "completed", "cancelled"
]
PublicStatus: TypeAlias = Literal["draft", "scheduled", "sending", "paused", "completed", "cancelled"]
Action: TypeAlias = Literal[
    "schedule", "unschedule", "start", "send", "pause", "resume", "complete", "reopen", "cancel"
]

TRANSITIONS: dict[Action, dict[CampaignStatus, CampaignStatus]] = {
    "schedule": {"draft": "scheduled", "scheduled": "scheduled"},
    "unschedule": {"scheduled": "draft"},
    "start": {"draft": "preparing", "scheduled": "preparing"},
    "send": {"preparing": "sending"},
    "pause": {"preparing": "paused", "sending": "paused"},
    "resume": {"paused": "sending"},
    "complete": {"preparing": "completed", "sending": "completed", "paused": "completed"},
    "reopen": {"completed": "sending"},
    "cancel": {
        "scheduled": "cancelled",
        "preparing": "cancelled",
        "sending": "cancelled",
        "paused": "cancelled",
    },
}

BUSY: tuple[CampaignStatus, ...] = ("scheduled", "preparing", "sending", "paused")
"""Neither a draft nor over."""


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A mailing to an audience. Content is copied into a Message at start; later edits make the next."""

    id: int = 0
    tenant_id: int
    name: str
    subject: str
    body: str = ""
    """The one-field form: HTML if it holds a tag, else text; used where html and text are empty."""
    html: str = ""
    text: str = ""
    from_email: str = ""
    from_name: str = ""
    reply_to: str = ""
    template_id: int | None = None
    audience: Audience = Audience()
    transport: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    track_opens: bool = True
    track_clicks: bool = True
    utm: Mapping[str, str] = {}
    """What each link of the HTML says to the site's statistics: `source`, `medium`, `campaign`, ..."""
    unsubscribe: str = ""
    on_uncertain: GivenOnUncertain = ""
    status: CampaignStatus = "draft"
    pause_reason: str = ""
    message_id: int | None = None
    scheduled_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


def public_status(status: CampaignStatus) -> PublicStatus:
    """Return the status as every answer says it: a campaign is sending also while its audience is written
    down, which nobody outside can act on."""
    return "sending" if status == "preparing" else status


def meant_by(status: PublicStatus) -> tuple[CampaignStatus, ...]:
    """Return the statuses that an answer calls so."""
    return ("preparing", "sending") if status == "sending" else (status,)


def can(status: CampaignStatus, action: Action) -> bool:
    return status in TRANSITIONS[action]


def move(campaign: Campaign, action: Action, *, reason: str = "") -> Campaign:
    """Return the campaign after `action`. Raises Conflict naming the state where it is illegal."""
    after = TRANSITIONS[action].get(campaign.status)
    if after is None:
        present, allowed = public_status(campaign.status), map(public_status, TRANSITIONS[action])
        raise Conflict(
            f"Campaign {campaign.id} is {present}; {action} is possible only from: "
            f"{', '.join(dict.fromkeys(allowed))}."
        )
    return msgspec.structs.replace(campaign, status=after, pause_reason=reason if action == "pause" else "")
