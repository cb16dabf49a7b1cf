"""Hooks: who is asked in which order, what stops at a plugin that raises, and what goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from courierx_core import hookimpl
from courierx_core.errors import CourierXError, PluginError
from courierx_core.hooks import HookFailed
from courierx_core.messages.model import Content, Message, Recipient
from courierx_core.plugins import register
from courierx_core.ports.ledger import Outcome
from courierx_core.templates.model import Template

NO_COURIER = None
"""For plugins that do not look at theirs."""


def message() -> Message:
    return Message(
        tenant_id=1,
        stream="broadcast",
        transport="mock",
        content=Content(from_email="a@example.org", subject="s", text="t"),
    )


def people(*ids: int) -> list[Recipient]:
    return [Recipient(each, 1, f"p{each}@example.org", "queued") for each in ids]


def blocker(reason: str, *ids: int) -> Any:
    class Blocker:
        @hookimpl
        def courierx_block(self, recipients: Sequence[Recipient]) -> Mapping[int, str]:
            return {each.id: reason for each in recipients if each.id in ids}

    return Blocker()


def test_guards_are_asked_in_order_and_the_first_reason_stands() -> None:
    hooks = register([("one", blocker("first", 1, 2)), ("two", blocker("second", 2, 3))])
    assert hooks.has_block
    assert hooks.block(message(), people(1, 2, 3, 4)) == {1: "first", 2: "first", 3: "second"}


def test_a_guard_that_raises_fails_closed_and_is_named() -> None:
    class Broken:
        @hookimpl
        def courierx_block(self) -> Mapping[int, str]:
            raise TimeoutError("no answer")

    hooks = register([("one", blocker("first", 1)), ("broken", Broken())])
    with pytest.raises(
        HookFailed, match=r"Plugin broken failed in courierx_block: TimeoutError: no answer"
    ) as e:
        hooks.block(message(), people(1))
    assert e.value.plugin == "broken"


def test_a_guard_that_answers_nonsense_fails_closed() -> None:
    class Nonsense:
        @hookimpl
        def courierx_block(self) -> Any:
            return None

    with pytest.raises(HookFailed, match=r"answered None"):
        register([("nonsense", Nonsense())]).block(message(), people(1))


def test_an_observer_that_raises_is_quarantined_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[tuple[str, int]] = []

    class Observer:
        def __init__(self, name: str, fails: bool = False) -> None:
            self.name, self.fails = name, fails

        @hookimpl
        def courierx_after_send(self, results: Sequence[Outcome]) -> None:
            seen.append((self.name, len(results)))
            if self.fails:
                raise OSError("disk full")

    hooks = register([("bad", Observer("bad", fails=True)), ("good", Observer("good"))])
    with caplog.at_level(logging.ERROR):
        hooks.after_send([outcome(1)])
        hooks.after_send([outcome(2), outcome(3)])
    assert seen == [("bad", 1), ("good", 1), ("good", 2)]
    assert "Plugin bad failed in courierx_after_send" in caplog.text
    assert "disk full" in hooks.quarantined["bad"]
    assert hooks.left_out == {"bad": "OSError in courierx_after_send"}
    assert hooks.has_after_send


def outcome(delivery_id: int) -> Outcome:
    return Outcome(delivery_id, item_id=1, message_id=1, state="accepted", attempt=1)


class Starter:
    """A plugin whose start raises, and which guards and observes as well."""

    def __init__(self, problem: Exception) -> None:
        self.problem = problem
        self.seen: list[int] = []

    @hookimpl
    def courierx_startup(self) -> None:
        raise self.problem

    @hookimpl
    def courierx_block(self) -> Mapping[int, str]:
        return {}

    @hookimpl
    def courierx_after_send(self, results: Sequence[Outcome]) -> None:
        self.seen.append(len(results))


def test_a_plugin_that_cannot_start_observes_no_more_and_what_it_guards_is_refused() -> None:
    plugin = Starter(OSError("no list of addresses"))
    hooks = register([("starter", plugin)])
    hooks.startup(NO_COURIER)
    assert "no list of addresses" in hooks.quarantined["starter"]
    with pytest.raises(HookFailed, match="no list of addresses") as refused:
        hooks.block(message(), people(1))
    assert refused.value.plugin == "starter"
    hooks.after_send([outcome(1)])
    assert plugin.seen == []


def test_a_plugin_that_refuses_its_settings_stops_the_start() -> None:
    with pytest.raises(HookFailed, match="ACME_KEY is missing"):
        register([("starter", Starter(CourierXError("ACME_KEY is missing")))]).startup(NO_COURIER)


def test_an_observer_that_raises_guards_still() -> None:
    class Both:
        @hookimpl
        def courierx_block(self, recipients: Sequence[Recipient]) -> Mapping[int, str]:
            return {each.id: "mine" for each in recipients}

        @hookimpl
        def courierx_after_send(self) -> None:
            raise CourierXError("full")

    hooks = register([("both", Both())])
    hooks.after_send([outcome(1)])
    assert hooks.quarantined.keys() == {"both"}
    assert hooks.block(message(), people(1)) == {1: "mine"}


@pytest.mark.parametrize("answer", [None, ["shout"]])
def test_filters_that_are_none_cost_only_their_own(answer: object) -> None:
    class Nonsense:
        @hookimpl
        def courierx_template_filters(self) -> Any:
            return answer

    class Good:
        @hookimpl
        def courierx_template_filters(self) -> Mapping[str, Callable[..., object]]:
            return {"shout": str.upper}

    hooks = register([("nonsense", Nonsense()), ("good", Good())])
    assert hooks.template_filters() == {"shout": str.upper}
    assert hooks.quarantined.keys() == {"nonsense"}


def test_when_the_only_observer_is_quarantined_nobody_is_left() -> None:
    class Observer:
        @hookimpl
        def courierx_after_send(self) -> None:
            raise OSError("disk full")

    hooks = register([("bad", Observer())])
    hooks.after_send([outcome(1)])
    assert not hooks.has_after_send


def test_templates_pass_through_every_plugin_in_order() -> None:
    def appender(text: str) -> Any:
        class Appender:
            @hookimpl
            def courierx_transform_template(self, template: Template) -> Template | None:
                return msgspec.structs.replace(template, text=template.text + text) if text else None

        return Appender()

    hooks = register([("a", appender("1")), ("b", appender("")), ("c", appender("2"))])
    changed = hooks.transform_template(Template(tenant_id=1, name="t", subject="s", text="0"))
    assert changed.text == "012"


def test_tryfirst_and_trylast_are_respected() -> None:
    class First:
        @hookimpl(tryfirst=True)
        def courierx_block(self) -> Mapping[int, str]:
            return {}

    class Last:
        @hookimpl(trylast=True)
        def courierx_block(self) -> Mapping[int, str]:
            return {}

    hooks = register([("last", Last()), ("a", blocker("")), ("b", blocker("")), ("first", First())])
    assert hooks.order() == {"courierx_block": ["first", "a", "b", "last"]}


def test_two_plugins_with_one_filter_name_are_refused() -> None:
    class Filters:
        @hookimpl
        def courierx_template_filters(self) -> Mapping[str, Callable[..., object]]:
            return {"shout": str.upper}

    hooks = register([("one", Filters()), ("two", Filters())])
    with pytest.raises(PluginError, match=r"'shout' is offered by one and by two"):
        hooks.template_filters()
    assert register([("one", Filters())]).template_filters() == {"shout": str.upper}


def test_a_misspelt_hook_is_refused() -> None:
    class Misspelt:
        @hookimpl
        def courierx_blok(self) -> None: ...

    with pytest.raises(PluginError, match=r"'typo' does not fit: unknown hook 'courierx_blok'"):
        register([("typo", Misspelt())])


def test_an_argument_that_the_hook_does_not_have_is_refused() -> None:
    class Wrong:
        @hookimpl
        def courierx_block(self, letters: object) -> None: ...

    with pytest.raises(PluginError, match=r"letters"):
        register([("wrong", Wrong())])


def test_a_hook_nobody_implements_costs_nothing() -> None:
    hooks = register()
    assert not hooks.has_block
    assert not hooks.has_after_send
    assert hooks.block(message(), people(1)) == {}
    assert hooks.template_filters() == {}
    template = Template(tenant_id=1, name="t", subject="s", text="x")
    assert hooks.transform_template(template) is template
