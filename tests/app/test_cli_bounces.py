"""`courierx bounces parse`: no database, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from courierx_app.cli.root import cli

BOUNCE = b"""From: MAILER-DAEMON@mx.example.net
To: news@example.org
Subject: failure notice

Hi. This is the qmail-send program at mx.example.net.

<ann@example.net>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

To: ann@example.net
X-CourierX-Send-ID: ac56ab6wslj7yr62h6w
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_line_of_json_for_each_file() -> None:
    Path("a.eml").write_bytes(BOUNCE)
    Path("b.eml").write_bytes(b"Subject: hello\n\nworld\n")
    result = CliRunner().invoke(cli, ["bounces", "parse", "a.eml", "b.eml", "--json"])
    assert result.exit_code == 0
    first, second = map(json.loads, result.stdout.splitlines())
    assert first == {
        "file": "a.eml",
        "kind": "bounce",
        "recipients": [
            {
                "address": "ann@example.net",
                "status": "5.1.1",
                "class": "hard",
                "action": "failed",
                "diagnostic": first["recipients"][0]["diagnostic"],
            }
        ],
        "send_id": "ac56ab6wslj7yr62h6w",
    }
    assert second == {"file": "b.eml", "kind": "other", "recipients": [], "send_id": ""}
    assert [each.name for each in Path().iterdir() if each.suffix != ".eml"] == []


def test_a_sentence_for_a_person() -> None:
    Path("a.eml").write_bytes(BOUNCE)
    result = CliRunner().invoke(cli, ["bounces", "parse", "a.eml"])
    assert result.stdout == "a.eml: bounce of ann@example.net hard 5.1.1\n"


@pytest.mark.parametrize("raw", [b"", b"\0", b"\xff\xfe" * 999, bytes(range(256)) * 40, b"From \n" * 5000])
def test_any_bytes_are_answered(raw: bytes) -> None:
    Path("x.eml").write_bytes(raw)
    result = CliRunner().invoke(cli, ["bounces", "parse", "x.eml", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["kind"]) == (0, "other")
