"""Drivers by name, and hook plugins, from distributions that are really installed in a folder."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from courierx_core.errors import PluginBroken, PluginError
from courierx_core.plugins import LIMITERS, QUEUES, SLOTS, TRANSPORTS, installed, load_hooks
from courierx_core.ports.limiter import Limiter

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


def test_of_two_extras_that_bring_it_the_one_of_the_plugins_name_is_advised(install: Install) -> None:
    install(
        "acme-mail",
        {"courierx.queues": {"post": "acme_q:Q"}},
        {"acme_q": "import acme_sdk"},
        requires=[f'acme_sdk>=2; extra == "{extra}"' for extra in ("mail", "post")],
    )
    with pytest.raises(PluginError, match=r"pip install 'acme-mail\[post\]'"):
        QUEUES.load("post")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("assert False", "AssertionError"),
        ("raise SystemExit(1)", "SystemExit"),
    ],
)
def test_a_driver_that_raises_on_import_is_broken(install: Install, source: str, said: str) -> None:
    install("acme", {"courierx.queues": {"acme-q": "acme_bad:Q"}}, {"acme_bad": source})
    with pytest.raises(PluginBroken, match=rf"'acme-q' of acme 1.0 cannot be loaded: {said}"):
        QUEUES.load("acme-q")
    assert [line.state for line in installed() if line.name == "acme-q"] == ["broken"]


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


def test_a_hook_plugin_that_cannot_be_loaded_is_left_out_and_shown(install: Install) -> None:
    install("good", {"courierx.hooks": {"good": "good_hook:Plugin"}}, {"good_hook": HOOK})
    sources = {
        "acme_import": "1 / 0",
        "acme_exit": "raise SystemExit(3)",
        "acme_made": "class Plugin:\n    def __init__(self):\n        raise OSError('no licence')\n",
        "acme_misfit": textwrap.dedent(HOOK).replace("template_filters", "filtres"),
        "acme_old": textwrap.dedent(HOOK) + "Plugin.courierx_api = 0\n",
        "acme_wraps": textwrap.dedent(HOOK).replace("@hookimpl", "@hookimpl(wrapper=True)"),
    }
    install("acme", {"courierx.hooks": {name: f"{name}:Plugin" for name in sources}}, sources)
    hooks = load_hooks()
    assert hooks.quarantined.keys() == sources.keys()
    assert hooks.order()["courierx_template_filters"][-1] == "good"
    for name, why in {
        "acme_import": "ZeroDivisionError", "acme_exit": "SystemExit: 3", "acme_made": "OSError: no licence",
        "acme_misfit": "unknown hook", "acme_old": "API 0", "acme_wraps": "wraps",
    }.items():  # fmt: skip
        assert why in hooks.quarantined[name]
    shown = {line.name: line.state for line in installed() if line.name in {*sources, "good"}}
    assert shown == dict.fromkeys(sources, "quarantined") | {"good": "chosen"}


def test_a_required_plugin_that_cannot_be_loaded_stops_the_start(install: Install) -> None:
    install("acme", {"courierx.hooks": {"acme": "acme_hook:Plugin"}}, {"acme_hook": "1 / 0"})
    with pytest.raises(PluginError, match=r"'acme' of acme 1.0 cannot be loaded: ZeroDivisionError"):
        load_hooks(required=["acme"])
    with pytest.raises(PluginError, match=r"acme is in COURIERX_DISABLE_PLUGINS and in COURIERX_REQUIRE"):
        load_hooks(required=["acme"], disabled=["acme"])
    with pytest.raises(PluginError, match=r"COURIERX_REQUIRE_PLUGINS names nosuch"):
        load_hooks(required=["nosuch"])


def test_disabling_what_is_not_there_is_an_error() -> None:
    with pytest.raises(PluginError, match=r"COURIERX_DISABLE_PLUGINS names nosuch"):
        load_hooks(disabled=["nosuch"])


def test_a_chosen_driver_shows_as_chosen(install: Install) -> None:
    install("acme", {"courierx.limiters": {"acme-open": "acme_open:Open"}}, {"acme_open": LIMITER})
    lines = {line.name: line.state for line in installed(chosen={"courierx.limiters": ["acme-open"]})}
    assert lines["acme-open"] == "chosen"
