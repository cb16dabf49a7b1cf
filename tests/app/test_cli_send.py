"""`courierx send`: a person's own files, and what is wrong with them said in one line."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from courierx_core.testing.smtp import SmtpServer


def send(
    folder: Path, url: str, *options: str, sender: str = "Me <me@y.example>"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "courierx_app.cli", "send", "--csv", "people.csv", "--html", "mail.html"]
    command += [
        "--subject",
        "Hello {{ first_name }}",
        "--from",
        "me@y.example",
        "--smtp-url",
        url,
        "--yes",
        *options,
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text("email,first_name\nann@x.example,Ann\nbob@x.example,Bob\n")
    (tmp_path / "mail.html").write_text("<p>Hi {{ first_name }}</p>")
    return tmp_path


WAY_OUT = ("--unsubscribe", "mailto:stop@y.example")


def test_a_second_run_sends_nothing_again_and_says_so(files: Path) -> None:
    with SmtpServer() as server:
        first = send(files, server.url, *WAY_OUT, "--json")
        assert (first.returncode, first.stderr) == (0, "")
        assert json.loads(first.stdout)["states"] == {"accepted": 2}
        second = send(files, server.url, *WAY_OUT)
        assert second.returncode == 0
        assert "completed before" in second.stderr
        assert server.counts() == {"ann@x.example": 1, "bob@x.example": 1}


def test_changed_files_under_one_name_are_refused(files: Path) -> None:
    with SmtpServer() as server:
        assert send(files, server.url, *WAY_OUT, "--name", "May").returncode == 0
        (files / "mail.html").write_text("<p>Other words</p>")
        again = send(files, server.url, *WAY_OUT, "--name", "May")
    assert again.returncode == 1
    assert "made from other files" in again.stderr
    assert "Traceback" not in again.stderr


def test_what_becomes_of_the_uncertain_is_fixed_with_the_files(files: Path) -> None:
    resend = ("--name", "May", "--on-uncertain", "resend")
    with SmtpServer() as server:
        assert send(files, server.url, *WAY_OUT, *resend).returncode == 0
        assert "completed before" in send(files, server.url, *WAY_OUT, *resend).stderr
        again = send(files, server.url, *WAY_OUT, "--name", "May")
    assert "made from other files or options" in again.stderr
    with closing(sqlite3.connect(files / "courierx.db")) as database:
        assert database.execute("SELECT on_uncertain FROM messages").fetchall() == [("resend",)]


def test_a_server_that_is_not_there_is_one_line(files: Path) -> None:
    with SmtpServer() as server:
        gone = server.url
    answer = send(files, gone, *WAY_OUT)
    assert answer.returncode == 1
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("courierx:")]
    assert "127.0.0.1" in line
    assert "Traceback" not in answer.stderr
