"""Staging's safety net: only listed addresses and domains get mail."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from courierx_allowlist import Allowlist
from courierx_core.courier import Courier
from courierx_core.hooks import HookFailed
from courierx_core.messages.model import Content, Message, Recipient
from courierx_core.plugins import register
from courierx_core.ports.driver import Runtime

MESSAGE = Message(
    tenant_id=1,
    stream="broadcast",
    transport="mock",
    content=Content(from_email="a@example.org", subject="s", text="t"),
)
ADDRESSES = (
    "ann@example.org",
    "bob@example.org",
    "cy@ours.example",
    "di@sub.ours.example",
    "e@notours.example",
)
PEOPLE = [Recipient(number, 1, address, "queued") for number, address in enumerate(ADDRESSES)]


def blocked(setting: str) -> list[str]:
    hooks = register([("allowlist", Allowlist())])
    runtime = Runtime(environ={"COURIERX_ALLOWED_RECIPIENTS": setting} if setting else {})
    Courier.startup(cast(Courier, SimpleNamespace(runtime=runtime, hooks=hooks)))
    return [ADDRESSES[number] for number in hooks.block(MESSAGE, PEOPLE)]


def test_without_the_setting_everyone_gets_mail() -> None:
    assert blocked("") == []


@pytest.mark.parametrize("setting", ["Ann@example.org, ours.example", "ann@example.org,@OURS.example"])
def test_whoever_is_not_listed_is_blocked(setting: str) -> None:
    assert blocked(setting) == ["bob@example.org", "di@sub.ours.example", "e@notours.example"]


def test_the_reason_names_the_setting() -> None:
    answer: Any = Allowlist(["x.example"]).courierx_block(MESSAGE, PEOPLE)
    assert set(answer.values()) == {"not in COURIERX_ALLOWED_RECIPIENTS"}


def test_nobody_gets_mail_where_the_setting_could_not_be_read() -> None:
    hooks = register([("allowlist", Allowlist())])
    hooks.startup(SimpleNamespace())  # without what the setting is read from
    with pytest.raises(HookFailed, match="allowlist failed in courierx_startup"):
        hooks.block(MESSAGE, PEOPLE)
