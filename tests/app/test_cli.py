"""The command line: quick help, clear lines, exit statuses, and no traceback that nobody asked for."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest

from courierx_app.cli import cli
from courierx_app.cli.root import COMMANDS
from courierx_app.cli.run import run
from courierx_core.errors import Conflict
from courierx_sql.base import SqlStore

Cx = Callable[..., str]

HEAVY = (
    "litestar",
    "boto3",
    "alembic",
    "sqlalchemy",
    "redis",
    "psycopg",
    "uvicorn",
    "jinja2",
    "cryptography",
)


@pytest.fixture
def cx(here: Path, capsys: pytest.CaptureFixture[str]) -> Cx:
    """Run a command in an own folder on a migrated database; return what it printed."""

    def call(*arguments: str, status: int = 0, err: str = "") -> str:
        with pytest.raises(SystemExit) as caught:
            sys.exit(run(cli, arguments))
        out = capsys.readouterr()
        assert caught.value.code == status, out.err + out.out
        assert err in out.err
        assert "Traceback" not in out.err
        return out.out

    return call


def python(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, **options)


def test_help_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, time; from courierx_app.cli import main\n"
        "try: main(['--help'])\n"
        f"finally: print('HEAVY', sorted(set(sys.modules) & set({HEAVY!r})), time.process_time())"
    )
    best = 9.0
    for _ in range(3):
        answer = python("-c", code, cwd=tmp_path)
        shown, _, measured = answer.stdout.partition("HEAVY ")
        assert all(name in shown for name in COMMANDS)
        heavy, _, seconds = measured.rpartition(" ")
        assert heavy == "[]"
        best = min(best, float(seconds))
    assert best < 0.3


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(cx: Cx, name: str) -> None:
    assert f"Usage: courierx {name}" in cx(name, "--help")


def test_an_unknown_command_is_a_usage_error(cx: Cx) -> None:
    cx("nosuch", status=2, err="No such command 'nosuch'")


def test_tenants_keys_and_suppressions(cx: Cx) -> None:
    tenant = json.loads(cx("tenants", "add", "Acme", "--email", "post@acme.example", "--json"))
    assert tenant["name"] == "Acme"
    cx("tenants", "add", "acme", "--email", "a@b.example", status=1, err="courierx: ")
    assert "post@acme.example" in cx("tenants", "list")
    assert cx("tenants", "weigh", "acme", "3").endswith("has the weight 3.\n")
    assert json.loads(cx("tenants", "list", "--json"))[0]["weight"] == 3
    for wrong in ("0", "101"):
        cx("tenants", "weigh", "acme", wrong, status=1, err="1 to 100")

    key = json.loads(cx("keys", "create", "--name", "ci", "--scopes", "lists:read,messages:send", "--json"))
    assert key["key"].startswith(f"cx_{key['id']}_")
    assert key["scopes"] == ["lists:read", "messages:send"]
    listed = cx("keys", "list", "--json")
    assert "ci" in listed
    assert key["key"].split("_", 2)[2] not in listed
    cx("keys", "create", "--scopes", "fly", status=1, err="scopes[0]: 'fly' is not one of")
    cx("keys", "create", "--tenant", "nobody", status=1, err="There is no tenant 'nobody'")
    own = json.loads(cx("keys", "create", "--tenant", "Acme", "--json"))
    assert own["tenant_id"] == tenant["id"]
    new = json.loads(cx("keys", "rotate", str(key["id"]), "--overlap", "60", "--json"))
    assert (new["name"], new["scopes"]) == ("ci", key["scopes"])
    assert json.loads(cx("keys", "rotate-secret", "--json")) == {"renewed": 0}
    assert json.loads(cx("keys", "create", "--days", "1", "--json"))["expires_at"]
    assert f"Key {key['id']} is revoked." in cx("keys", "revoke", str(key["id"]))
    assert "revoked" in cx("keys", "list")
    cx("keys", "revoke", "999", status=1, err="courierx: ")

    assert "complaint" in cx("suppress", "add", "Bob@x.example", "--reason", "called it spam")
    cx("suppress", "add", "bob@X.example", status=1, err="is suppressed already")
    cx("suppress", "add", "nowhere", status=1, err="email: 'nowhere'")
    assert "may get mail again" in cx("suppress", "remove", "BOB@x.example")
    cx("suppress", "remove", "bob@x.example", status=1, err="is not on")
    assert "@x.example gets no more mail" in cx("suppress", "add", "*@X.example", "--everyone")
    cx("suppress", "remove", "@x.example", "--tenant", "Acme", status=1, err="is not on")
    cx("suppress", "add", "@x.example", "--tenant", "Acme", "--everyone", status=2, err="choose one")
    assert "may get mail again" in cx("suppress", "remove", "@x.example", "--everyone")


def test_suppressions_are_imported_from_a_file(cx: Cx, tmp_path: Path) -> None:
    cx("tenants", "add", "Acme", "--email", "post@acme.example")
    file = tmp_path / "stop.csv"
    file.write_text("email,why\na@x.example,asked\nA@X.example,twice\nnowhere,\n\n*@x.example,\n")
    report = json.loads(cx("suppress", "import", str(file), "--json"))
    assert (report["imported"], report["skipped"]) == (2, 1)
    assert [each["line"] for each in report["errors"]] == [4]
    again = json.loads(cx("suppress", "import", str(file), "--json"))
    assert (again["imported"], again["skipped"]) == (0, 3)


def test_several_tenants_must_be_named(cx: Cx) -> None:
    cx("suppress", "add", "a@x.example", status=1, err="There is no tenant yet")
    for name in ("one", "two"):
        cx("tenants", "add", name, "--email", "a@b.example")
    cx("suppress", "add", "a@x.example", status=1, err="--tenant: there are several tenants")
    cx("suppress", "add", "a@x.example", "--tenant", "two")
    cx("suppress", "add", "a@x.example", "--tenant", "1")


def test_a_campaign_from_the_command_line(cx: Cx, courier: Any, tmp_path: Path) -> None:
    from courierx_core.campaigns import service
    from courierx_core.campaigns.model import Campaign

    cx("tenants", "add", "Acme", "--email", "post@acme.example", "--default-from", "News <news@acme.example>")
    file = tmp_path / "people.csv"
    file.write_text("email,first_name\na@x.example,Ann\nnowhere,Bob\nb@x.example,Bea\n")
    report = json.loads(cx("subscribers", "import", str(file), "--json"))
    assert (report["imported"], len(report["errors"])) == (2, 1)
    with courier.store.begin(1) as unit:
        campaign = service.create(
            courier, unit, Campaign(tenant_id=1, name="May", subject="Hi", text="Hello")
        )
    number = str(campaign.id)
    assert "draft" in cx("campaigns", "list")
    cx("campaigns", "pause", number, status=1, err="is draft")
    assert json.loads(cx("campaigns", "start", number, "--json"))["audience"] == 2
    cx("campaigns", "start", number, status=1, err="sending")
    said = cx("campaigns", "why", number)
    assert "is preparing." in said
    assert "no_worker: no worker is alive" in said
    told = json.loads(cx("campaigns", "why", number, "--json"))
    assert [each["code"] for each in told["progress"]["waiting_for"]] == ["no_worker", "preparing"]
    assert "is paused" in cx("campaigns", "pause", number)
    assert "May: paused" in cx("campaigns", "show", number)
    assert json.loads(cx("status", "--json"))["campaigns"][0]["status"] == "paused"
    assert "is sending" in cx("campaigns", "resume", number)
    assert "Nobody sends" in cx_err(cx)
    assert json.loads(cx("campaigns", "cancel", number, "--json")) == {
        "id": campaign.id,
        "status": "cancelled",
    }
    assert json.loads(cx("campaigns", "report", number, "--json"))["status"] == "cancelled"
    assert json.loads(cx("db", "check", "--json")) == {"tenants": 1, "broken": []}
    cx("campaigns", "show", "999", status=1, err="There is no campaign 999")
    cx("db", "prune", status=2, err="Set COURIERX_RETENTION_DAYS")
    cx("db", "prune", "--older-than", "30", status=2, err="30 is not in the range x>=31")
    for option in ("--dry-run", "--json"):
        assert "0" in cx("db", "prune", "--older-than", "31", option)
    assert "backup.db holds the database" in cx("backup", "backup.db")
    cx("restore", "backup.db", status=1, err="move it away first")
    cx("restore", "nowhere", status=1, err="There is no file nowhere")
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    assert json.loads(cx("db", "copy", "--to", elsewhere, "--json"))["rows"]["subscribers"] == 2
    cx("db", "copy", "--to", elsewhere, status=1, err="not empty")


def cx_err(cx: Cx) -> str:
    cx("status", err="Nobody sends")
    return "Nobody sends"


def test_settings_plugins_and_the_doctor(cx: Cx) -> None:
    assert "COURIERX_WINDOW" in cx("config", "show")
    assert "default transport mock" in cx("config", "check")
    shown = json.loads(cx("plugins", "--json"))
    assert shown["api"] == 1
    assert shown["hooks"]["courierx_template_filters"] == ["core"]
    assert "courierx.stores" in cx("plugins")
    assert json.loads(cx("doctor", "--json"))["ok"] is True
    assert "This installation is well." in cx("doctor")


def test_the_doctor_leaves_an_empty_folder_empty(
    cx: Cx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DATABASE_URL")
    assert "no_schema" in cx("doctor")
    assert list(folder.iterdir()) == []


def test_an_older_schema_is_not_worked_on(cx: Cx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqlStore, "outdated", lambda _store: True)
    cx("status", status=1, err="older than this version needs: run `courierx db upgrade`")
    problems = json.loads(cx("doctor", "--json", status=1))["problems"]
    assert [each["code"] for each in problems if each["level"] == "error"] == ["old_schema"]


def test_the_doctor_says_what_is_wrong_and_exits_1(cx: Cx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("COURIERX_PUBLIC_URL", "")
    codes = {each["code"] for each in json.loads(cx("doctor", "--json", status=1))["problems"]}
    assert {"no_secret_key", "no_public_url", "no_transport"} <= codes


def test_a_wrong_setting_is_one_clear_line(cx: Cx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURIERX_WINDOW", "many")
    line = "courierx: COURIERX_WINDOW: got 'many'; it takes a whole number from 1 to 10000\n"
    for command in (("status",), ("config", "check"), ("serve", "--port", "0"), ("doctor",)):
        cx(*command, status=1, err=line)


def test_an_empty_database_in_production_says_how_to_begin(
    cx: Cx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("COURIERX_SECRET_KEY", "x" * 40)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/new.db")
    assert cx("db", "current") == "none\n"
    cx("tenants", "list", status=1, err="run `courierx db upgrade`")
    assert "is at revision" in cx("db", "upgrade")
    assert cx("db", "current") != "none\n"
    assert json.loads(cx("tenants", "list", "--json")) == []


def test_init_makes_a_folder_ready_and_may_run_again(cx: Cx, tmp_path: Path) -> None:
    assert "courierx.toml is written" in cx("init")
    assert (tmp_path / "courierx.key").exists()
    assert "is written" not in cx("init")
    assert "default transport mock" in cx("config", "check")


@pytest.mark.parametrize("bytes_", [b"\xff\xfe", b"{% if %}", b"{{ 'a'|format }}", b"", b"\x00{{"])
def test_a_bad_template_is_never_a_traceback(cx: Cx, tmp_path: Path, bytes_: bytes) -> None:
    file = tmp_path / "mail.txt"
    file.write_bytes(bytes_)
    answer = json.loads(cx("templates", "check", str(file), "--json", status=1))
    assert set(answer) == {"valid", "line", "reason", "warnings", "output"}
    assert answer["valid"] is False
    assert answer["reason"]


def test_a_good_template_is_rendered_with_the_data(cx: Cx, tmp_path: Path) -> None:
    file, data = tmp_path / "mail.html", tmp_path / "data.json"
    file.write_text("<p>{{ order }}: {{ price|money('EUR') }}{{ nosuch }}</p>")
    data.write_text('{"order": 4711, "price": 5}')
    answer = json.loads(cx("templates", "check", str(file), "--data", str(data), "--json"))
    assert answer["output"] == "<p>4711: 5.00 EUR</p>"
    assert "nosuch" in answer["warnings"][0]
    data.write_text("[1]")
    cx("templates", "check", str(file), "--data", str(data), status=1, err="--data: ")


# --- how a command ends


@click.command()
@click.argument("what")
def ends(what: str) -> None:
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "conflict":
        raise Conflict("The thing is busy.")
    if what == "pipe":
        raise BrokenPipeError
    raise RuntimeError("first line\nsecond line")


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("interrupt", 130, "courierx: interrupted\n"),
        ("conflict", 1, "courierx: The thing is busy.\n"),
        ("bug", 1, "courierx: unexpected RuntimeError: first line (COURIERX_DEBUG=1 shows where)\n"),
    ],
)
def test_an_end_is_one_line(
    what: str, status: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURIERX_DEBUG", raising=False)
    assert run(ends, [what]) == status
    assert capsys.readouterr().err.lstrip("\n") == said


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURIERX_DEBUG", "1")
    with pytest.raises(RuntimeError):
        run(ends, ["bug"])


def test_a_closed_pipe_is_quiet(tmp_path: Path, environ: dict[str, str]) -> None:
    read, write = os.pipe()
    os.close(read)
    answer = subprocess.run(
        [sys.executable, "-m", "courierx_app.cli", "config", "show"],
        stdout=write,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, **environ},
        timeout=60,
        check=False,
    )
    os.close(write)
    assert answer.stderr == b""
    assert answer.returncode != 0


def test_what_a_command_changes_is_in_the_audit_log_without_its_arguments(cx: Cx, tmp_path: Path) -> None:
    cx("tenants", "add", "Acme", "--email", "post@acme.example")
    cx("tenants", "list")
    cx("suppress", "add", "gone@x.example")
    cx("suppress", "add", "gone@x.example", status=1)
    with closing(sqlite3.connect(tmp_path / "courierx.db")) as connection:
        noted = connection.execute("SELECT tenant_id, action, actor, subject, detail FROM audit ORDER BY id")
        rows = noted.fetchall()
    assert [row[:2] for row in rows] == [(0, "courierx tenants add"), (1, "courierx suppress add")]
    for _, _, actor, subject, detail in rows:
        assert actor.startswith("user ")
        assert (subject, detail) == ("", "{}")


def test_a_person_is_erased(cx: Cx, tmp_path: Path) -> None:
    cx("tenants", "add", "Acme", "--email", "a@acme.example")
    file = tmp_path / "people.csv"
    file.write_text("email\nann@x.example\nbob@x.example\n")
    cx("subscribers", "import", str(file))
    assert cx("subscribers", "erase", "Ann@x.example").startswith("Erased: 1 subscriber, 0 deliveries")
    again = json.loads(cx("subscribers", "import", str(file), "--json"))
    assert (again["imported"], again["skipped"]) == (0, 2)
    assert "ann@x.example" not in cx("subscribers", "export")
    cx("suppress", "remove", "ann@x.example")
    assert json.loads(cx("subscribers", "import", str(file), "--json"))["imported"] == 1
