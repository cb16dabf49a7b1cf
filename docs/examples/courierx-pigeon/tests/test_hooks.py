"""The hooks fit the specifications, and do what they say."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from courierx_pigeon.feedback import signature
from courierx_pigeon.hooks import PigeonHooks

from courierx_app import hookspecs
from courierx_app.cli import cli
from courierx_core import Outcome
from courierx_core.plugins import load_hooks, register


def test_the_observer_counts_what_it_sees() -> None:
    plugin = PigeonHooks()
    hooks = register([("pigeon", plugin)], specs=[hookspecs])
    states = ("accepted", "accepted", "uncertain")
    hooks.after_send([Outcome(n, 1, 1, state, attempt=1) for n, state in enumerate(states)])
    hooks.after_send([Outcome(4, 1, 1, "accepted", attempt=1)])
    assert plugin.seen == {"accepted": 3, "uncertain": 1}


def test_the_plugin_is_installed_and_asked() -> None:
    assert "pigeon" in load_hooks().order()["courierx_after_send"]


def test_the_command_signs_a_file(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(b'{"events": []}')
    answer = CliRunner().invoke(cli, ["pigeon", "sign", str(file), "--secret", "s"])
    assert answer.exit_code == 0, answer.output
    stamp, _, signed = answer.output.removeprefix("Pigeon-Signature: t=").strip().partition(",v1=")
    assert signed == signature("s", stamp, file.read_bytes())
