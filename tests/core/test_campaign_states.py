"""Campaigns: every action on every status either moves along the drawn arrows or is a Conflict."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.campaigns.model import (
    TRANSITIONS,
    Action,
    Campaign,
    CampaignStatus,
    can,
    move,
    public_status,
)
from courierx_core.errors import Conflict

ACTIONS = st.sampled_from(get_args(Action))
STATUSES = st.sampled_from(get_args(CampaignStatus))


def campaign(status: str) -> Campaign:
    return Campaign(id=7, tenant_id=1, name="News", subject="Hi", status=status)  # type: ignore[arg-type]


@given(ACTIONS, STATUSES)
def test_an_action_moves_as_drawn_or_conflicts(action: Action, status: CampaignStatus) -> None:
    if can(status, action):
        assert move(campaign(status), action).status == TRANSITIONS[action][status]
    else:
        with pytest.raises(Conflict, match=f"Campaign 7 is {public_status(status)};"):
            move(campaign(status), action)


@given(st.lists(ACTIONS, max_size=20))
def test_what_has_ended_stays_ended_unless_some_of_it_is_sent_again(actions: list[Action]) -> None:
    now, ended = campaign("draft"), False
    for action in actions:
        if not can(now.status, action):
            continue
        assert not ended or (action == "reopen" and now.status == "completed")
        now = move(now, action)
        ended = now.status in ("completed", "cancelled")


def test_only_a_pause_keeps_a_reason() -> None:
    paused = move(campaign("sending"), "pause", reason="too many bounces")
    assert paused.pause_reason == "too many bounces"
    assert move(paused, "resume").pause_reason == ""
