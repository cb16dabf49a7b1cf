"""A plugin that raises is left out, shown wherever one looks, and mail goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from courierx_app.asgi import create_app
from courierx_app.checkup import checkup
from courierx_app.cli.root import cli
from courierx_app.container import build, opened
from courierx_app.settings import read
from courierx_core import adoption
from courierx_core.errors import CourierXError
from courierx_core.metrics import service as metrics
from courierx_core.metrics.model import PLUGIN_LEFT_OUT
from courierx_core.ports.ledger import Outcome
from courierx_core.ports.transport import TransportDown

MADE = """
from courierx_core import Config, FeedbackSource, Session, Transport

class Source(FeedbackSource[Config]):
    def __init__(self, name, config, runtime):
        raise OSError("no certificate")
    def verify(self, request): ...
    def parse(self, request): ...

class Post(Transport[Config]):
    def __init__(self, name, config, runtime):
        raise OSError("no licence")
    def open(self) -> Session: ...

class Checks(Transport[Config]):
    def check(self):
        raise OSError("no network")
    def open(self) -> Session: ...
"""
HOOKS = """
from courierx_core import hookimpl

@hookimpl
def courierx_after_send(results):
    raise OSError("disk full")

@hookimpl(optionalhook=True)
def courierx_register_routes():
    raise OSError("no routes")

@hookimpl(optionalhook=True)
def courierx_register_commands(cli):
    raise OSError("no commands")
"""
POINTS = """
[courierx.transports]
acme-import = acme_import:Post
acme-made = acme_made:Post
acme-checks = acme_made:Checks
acme-unused = acme_import:Post

[courierx.feedback]
acme-source = acme_made:Source

[courierx.queues]
acme-queue = acme_made:Post

[courierx.hooks]
acme-hooks = acme_hooks
acme-lost = acme_import
"""
SETTINGS = """
[feedback.acme-source]
[transports.mock]
[transports.acme-import]
[transports.acme-made]
[transports.acme-checks]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to run in, with a distribution of broken plugins installed and chosen."""
    packages = tmp_path / "packages"
    info = packages / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    for name, source in {"acme_import": "1 / 0", "acme_made": MADE, "acme_hooks": HOOKS}.items():
        (packages / f"{name}.py").write_text(source)
    (tmp_path / "courierx.toml").write_text(SETTINGS)
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURIERX_TRANSPORT", "mock")
    yield tmp_path
    for module in ("acme_import", "acme_made", "acme_hooks"):
        sys.modules.pop(module, None)


def ask(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.stdout


def test_mail_still_goes(folder: Path) -> None:
    (folder / "people.csv").write_text("email,first_name\nann@x.example,Ann\nbob@x.example,Bob\n")
    (folder / "mail.html").write_text("<p>Dear {{ first_name }}</p>")
    code, told = ask(
        "send", "--csv", "people.csv", "--subject", "Hello", "--html", "mail.html", "--from",
        "me@acme.example", "--yes", "--json",
    )  # fmt: skip
    assert code == 0, told
    assert json.loads(told)["states"] == {"accepted": 2}


def test_doctor_says_everything_that_is_broken_and_ends_with_1(folder: Path) -> None:
    code, told = ask("doctor", "--json")
    assert code == 1
    found = {(each["level"], each["code"]): each["text"] for each in json.loads(told)["problems"]}
    said = json.dumps(json.loads(told)["problems"])
    assert (
        "'acme-lost' of acme 1.0 cannot be loaded: ZeroDivisionError" in found["error", "plugin_quarantined"]
    )
    for why in ("OSError: no licence", "OSError: no certificate", "OSError: no network"):
        assert why in said
    assert "acme-queue" in found["warning", "plugin_broken"]


def test_the_list_of_plugins_shows_the_broken_ones(folder: Path) -> None:
    code, told = ask("plugins", "--json")
    assert code == 0
    states = {each["name"]: each["state"] for each in json.loads(told)["plugins"]}
    assert states["acme-lost"] == "quarantined"
    assert states["acme-import"] == states["acme-queue"] == "broken"


def test_an_unknown_command_names_the_plugins_that_could_not_bring_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_asks_plugins", True)  # as in a process of its own: they are asked once
    done = CliRunner().invoke(cli, ["coo"])
    assert done.exit_code == 2
    assert "no commands" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_the_api_starts_and_its_readiness_names_them(folder: Path) -> None:
    configuration = read(folder, {})
    with (
        opened(configuration, migrate=True) as courier,
        TestClient(create_app(courier, configuration.settings, dev=True)) as client,
    ):
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["plugins"] == {"acme-hooks": "quarantined", "acme-lost": "quarantined"}
        assert ready.json()["transports"] == {
            "mock": "ok", "acme-import": "away", "acme-made": "away", "acme-checks": "away",
        }  # fmt: skip
        # a provider tells again what was not answered with a 2xx
        assert client.post("/events/acme-source", json={}).status_code == 500


def test_what_a_worker_leaves_out_is_seen_from_other_processes(folder: Path) -> None:
    broken = read(folder, {})
    with opened(broken, migrate=True) as worker:
        worker.hooks.after_send([Outcome(1, 1, 1, "accepted", attempt=1)])
        assert adoption.check(worker, "worker") == ""
    well = read(folder, {"COURIERX_DISABLE_PLUGINS": "acme-hooks,acme-lost"})
    with opened(well) as courier, TestClient(create_app(courier, well.settings, dev=True)) as client:
        ready = client.get("/health/ready").json()
        assert ready["plugins"] == {"acme-hooks": "quarantined", "acme-lost": "quarantined"}
        counted = metrics.read(courier, version="1")[PLUGIN_LEFT_OUT]
        assert counted == {("acme-hooks",): 1, ("acme-lost",): 1}
        told = [each.text for each in checkup(well) if each.code == "plugin_left_out"]
        assert told[0] == "acme-hooks is left out by 1 of 1 workers: OSError in courierx_after_send."
        assert "ZeroDivisionError" in told[1]
        adoption.check(courier, "worker")  # started again, without them
        assert client.get("/health/ready").json()["plugins"] == {}
        assert not metrics.read(courier, version="1")[PLUGIN_LEFT_OUT]
        assert not [each for each in checkup(well) if each.code == "plugin_left_out"]


def test_what_goes_over_a_broken_transport_waits(folder: Path) -> None:
    courier = build(read(folder, {}))
    try:
        for name, why in {"acme-made": "no licence", "acme-import": "ZeroDivisionError"}.items():
            with pytest.raises(TransportDown, match=why):
                courier.transports[name].open()
    finally:
        courier.close()


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("COURIERX_REQUIRE_PLUGINS", "acme-lost", "'acme-lost' of acme 1.0 cannot be loaded"),
        ("COURIERX_TRANSPORT", "acme-nosuch", "no transport called 'acme-nosuch'"),
        ("COURIERX_QUEUE", "acme-queue", "is not a Queue"),
    ],
)
def test_what_was_asked_for_by_name_stops_the_start(
    folder: Path, setting: str, value: str, said: str
) -> None:
    with pytest.raises(CourierXError, match=said):
        build(read(folder, {setting: value}))
