"""Drivers by name, hooks in order: against distributions that are really installed in a folder."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from courierx_core import hookimpl
from courierx_core.errors import PluginError
from courierx_core.hooks import HookFailed
from courierx_core.messages.model import Content, Message, Recipient
from courierx_core.plugins import LIMITERS, QUEUES, SLOTS, TRANSPORTS, installed, load_hooks, register
from courierx_core.ports.ledger import Outcome
from courierx_core.ports.limiter import Limiter
from courierx_core.templates.model import Template

Install = Callable[..., None]

LIMITER = """
    from courierx_core import Config, Grant, Limiter
    class Open(Limiter[Config]):
        def take(self, key, want, rate):
            return Grant(want)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution: its modules, entry points and requirements, as an installer would."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def add(
        name: str,
        points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str],
        requires: Sequence[str] = (),
    ) -> None:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
        lines += [f"Requires-Dist: {line}" for line in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        (info / "entry_points.txt").write_text(
            "\n".join(
                f"[{group}]\n" + "\n".join(f"{key} = {value}" for key, value in entries.items())
                for group, entries in points.items()
            )
        )
        for module, source in modules.items():
            (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))

    yield add
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


# --- drivers


def test_only_the_chosen_driver_is_imported(install: Install) -> None:
    install(
        "acme",
        {"courierx.limiters": {"acme-open": "acme_open:Open", "acme-other": "acme_other:Open"}},
        {"acme_open": LIMITER, "acme_other": "raise RuntimeError('imported')"},
    )
    driver = LIMITERS.load("acme-open")
    assert driver.__module__ == "acme_open"
    assert issubclass(driver, Limiter)
    assert "acme_other" not in sys.modules


def test_an_unknown_name_says_what_is_installed(install: Install) -> None:
    install("acme", {"courierx.transports": {"acme": "acme:X"}}, {})
    with pytest.raises(PluginError, match=r"no transport called 'carrier'; installed: .*acme"):
        TRANSPORTS.load("carrier")


def test_a_driver_installed_after_the_last_look_is_found(install: Install) -> None:
    assert "acme-late" not in LIMITERS.names()
    install("acme", {"courierx.limiters": {"acme-late": "acme_late:Open"}}, {"acme_late": LIMITER})
    assert LIMITERS.load("acme-late").__name__ == "Open"


def test_a_missing_module_names_the_extra_that_brings_it(install: Install) -> None:
    install(
        "acme-mail",
        {"courierx.queues": {"acme-q": "acme_q:Q"}},
        {"acme_q": "import acme_sdk.client"},
        requires=[
            'other>=1; extra == "all"',
            'Acme.SDK[x]>=2; extra == "all"',
            'Acme.SDK[x]>=2; extra == "queue"',
        ],
    )
    with pytest.raises(PluginError, match=r"No module named 'acme_sdk'; .*pip install 'acme-mail\[queue\]'"):
        QUEUES.load("acme-q")


def test_a_driver_that_raises_on_import_is_a_plugin_error(install: Install) -> None:
    install("acme", {"courierx.queues": {"acme-q": "acme_bad:Q"}}, {"acme_bad": "1 / 0"})
    with pytest.raises(PluginError, match=r"'acme-q' of acme 1.0 cannot be loaded: ZeroDivisionError"):
        QUEUES.load("acme-q")


def test_two_distributions_with_one_name_are_refused_by_name(install: Install) -> None:
    for dist in ("acme", "beta"):
        install(dist, {"courierx.limiters": {"twice": f"{dist}_mod:Open"}}, {f"{dist}_mod": LIMITER})
    with pytest.raises(
        PluginError, match=r"'twice' in courierx.limiters is installed twice, by: acme 1.0, b"
    ):
        LIMITERS.load("twice")


def test_a_driver_of_another_port_is_refused(install: Install) -> None:
    install("acme", {"courierx.queues": {"acme-q": "acme_open:Open"}}, {"acme_open": LIMITER})
    with pytest.raises(PluginError, match=r"is not a Queue"):
        QUEUES.load("acme-q")


def test_a_driver_written_for_another_api_is_refused_and_listed_as_broken(install: Install) -> None:
    source = textwrap.dedent(LIMITER) + "Open.courierx_api = 2\n"
    install("acme", {"courierx.limiters": {"acme-two": "acme_two:Open"}}, {"acme_two": source})
    with pytest.raises(PluginError, match=r"acme 1.0 was written for plugin API 2; this CourierX has API 1"):
        LIMITERS.load("acme-two")
    (line,) = [each for each in installed() if each.name == "acme-two"]
    assert line.state == "broken"
    assert "API 2" in line.why


def test_a_falsy_driver_class_is_still_the_class(install: Install) -> None:
    source = (
        textwrap.dedent(LIMITER)
        + """
class Falsy(type(Open)):
    def __bool__(cls):
        return False
class Quiet(Open, metaclass=Falsy):
    pass
"""
    )
    install("acme", {"courierx.limiters": {"quiet": "acme_quiet:Quiet"}}, {"acme_quiet": source})
    assert LIMITERS.load("quiet").__name__ == "Quiet"


def test_slots_have_groups_of_their_own() -> None:
    groups = [slot.group for slot in SLOTS]
    assert len(set(groups)) == 6
    assert all(group.startswith("courierx.") for group in groups)


# --- hooks


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
    assert hooks.has_after_send


def outcome(delivery_id: int) -> Outcome:
    return Outcome(delivery_id, item_id=1, message_id=1, state="accepted", attempt=1)


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


# --- the group courierx.hooks

HOOK = """
    from courierx_core import hookimpl
    class Plugin:
        @hookimpl
        def courierx_template_filters(self):
            return {}
"""


def test_built_in_plugins_come_first_then_the_others_by_name(install: Install) -> None:
    install("zeta", {"courierx.hooks": {"aaa": "zeta_hook:Plugin"}}, {"zeta_hook": HOOK})
    install("acme", {"courierx.hooks": {"zzz": "acme_hook:Plugin"}}, {"acme_hook": HOOK})
    asked = load_hooks().order()["courierx_template_filters"]
    assert asked[-2:] == ["aaa", "zzz"]
    assert asked[0] == "core"


def test_a_disabled_plugin_is_not_imported_and_shows_as_disabled(install: Install) -> None:
    install("acme", {"courierx.hooks": {"acme": "acme_hook:Plugin"}}, {"acme_hook": "1 / 0"})
    load_hooks(disabled=["acme"])
    assert "acme_hook" not in sys.modules
    assert [line.state for line in installed(disabled=["acme"]) if line.name == "acme"] == ["disabled"]


def test_a_broken_hook_plugin_stops_the_start_and_says_how_to_go_on_without(install: Install) -> None:
    install("acme", {"courierx.hooks": {"acme": "acme_hook:Plugin"}}, {"acme_hook": "1 / 0"})
    with pytest.raises(PluginError, match=r"'acme' of acme 1.0 .*COURIERX_DISABLE_PLUGINS=acme"):
        load_hooks()


def test_disabling_what_is_not_there_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"COURIERX_DISABLE_PLUGINS names nosuch"):
        load_hooks(disabled=["nosuch"])


def test_a_chosen_driver_shows_as_chosen(install: Install) -> None:
    install("acme", {"courierx.limiters": {"acme-open": "acme_open:Open"}}, {"acme_open": LIMITER})
    lines = {line.name: line.state for line in installed(chosen={"courierx.limiters": ["acme-open"]})}
    assert lines["acme-open"] == "chosen"
