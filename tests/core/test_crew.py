"""A lane's crew: its breaker lasts as long as its message does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from courierx_core.delivery import crew as module
from courierx_core.delivery.breaker import ATTEMPTS_MIN
from courierx_core.delivery.crew import SendCrew
from courierx_core.messages.model import Content, Message
from courierx_core.ports.ledger import Outcome

MESSAGE = Message(
    id=7,
    tenant_id=1,
    campaign_id=3,
    stream="broadcast",
    transport="smtp",
    content=Content(from_email="a@b.example", subject="s"),
)
HALF = [Outcome(n, 1, 7, "rejected", 1) for n in range(ATTEMPTS_MIN // 2)]


@pytest.mark.parametrize("completed", [False, True])
def test_what_was_counted_is_forgotten_only_when_the_message_is_over(
    monkeypatch: pytest.MonkeyPatch, completed: bool
) -> None:
    monkeypatch.setattr(module, "complete_message", lambda *_: completed)
    courier: Any = SimpleNamespace()
    crew = SendCrew(courier)
    assert crew.judge(MESSAGE, HALF) == ""
    crew.item_done(MESSAGE)
    assert bool(crew.judge(MESSAGE, HALF)) == (not completed)
