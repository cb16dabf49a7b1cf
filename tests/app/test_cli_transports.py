"""`courierx transports`, and where else a paused transport shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from litestar import Litestar
from litestar.testing import TestClient

from courierx_app.cli.root import cli
from courierx_core.courier import Courier
from courierx_core.transports import service as transports

pytestmark = pytest.mark.usefixtures("here")


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, ["transports", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_one_that_is_warmed_up_says_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "courierx.toml").write_text("[transports.mock]\n[warmup.mock]\nstart = 70\n")
    assert "mock is warmed up: 0 of 70 today; receivers objected to 0 of 0." in run("list")
    assert json.loads(run("list", "--json"))[0]["warm_day"]["allowed"] == 70


def test_it_is_listed_paused_and_resumed() -> None:
    assert run("pause", "mock", "--reason", "moving house") == "mock is paused.\n"
    assert run("pause", "mock") == "mock was paused already.\n"
    (found,) = json.loads(run("list", "--json"))
    assert (found["state"], found["reason"], found["recovered"]) == ("paused", "moving house", True)
    assert "mock looks well again: courierx transports resume mock" in run("list")
    assert run("resume", "mock") == "mock goes on.\n"
    assert run("resume", "mock") == "mock was not paused.\n"
    assert "running" in run("list")


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_one_that_there_is_not_is_named(verb: str) -> None:
    result = CliRunner().invoke(cli, ["transports", verb, "nosuch"])
    assert result.exit_code == 1
    assert "no transport called 'nosuch'; there is: mock" in str(result.exception)


def test_ready_and_doctor_say_so(courier: Courier, api: Callable[..., TestClient[Litestar]]) -> None:
    transports.pause(courier, "mock", "suspended")
    told = api().get("/health/ready").json()
    assert (told["status"], told["transports"]) == ("degraded", {"mock": "paused"})
    found = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).output)["problems"]
    (problem,) = [each for each in found if each["code"] == "transport_paused"]
    assert problem["text"] == "mock is paused: suspended."
    assert problem["remedy"].endswith("courierx transports resume mock")
