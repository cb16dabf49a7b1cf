"""The version before on this version's schema: it goes on while the schema is upgraded under it, and can be
started again beside it or instead of it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from courierx_core.testing.smtp import SmtpServer
from courierx_core.testing.spool import duplicates
from courierx_migrations import HEAD
from tests.servers import OWNER, Postgres

ROOT = Path(__file__).parents[2]
SOURCES = (".", "app", "plugins", "migrations")
PEOPLE = 40
PATIENCE_SECONDS = 60.0


class Version:
    """The `courierx` command of a version, on one database."""

    def __init__(self, folder: Path, environ: dict[str, str], sources: Path | None = None) -> None:
        self._folder = folder
        path = os.pathsep.join(str(sources / name) for name in SOURCES) if sources else ""
        self._environ = {**os.environ, **environ, "PYTHONPATH": path}

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "courierx_app.cli", *words],
            cwd=self._folder, env=self._environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def running(self, log: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self._folder / log).open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "courierx_app.cli", *words],
                cwd=self._folder, env=self._environ, stdout=out, stderr=out,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
        told = (self._folder / log).read_text()
        assert "Error" not in told, told


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last release's sources or, where there is none yet, what was there before the newest migration."""
    try:
        archive = git("archive", commit_before())
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"these sources have no history to take the version before from: {error}")
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def commit_before() -> str:
    """Raises CalledProcessError where the history does not reach so far: a checkout may have one commit."""
    (migration,) = ROOT.glob(f"migrations/courierx_migrations/versions/{HEAD}_*.py")
    released = git("tag", "--list", "v*", "--merged", "HEAD", "--sort=-creatordate").decode().split()
    added = git("log", "--diff-filter=A", "--format=%H", "--", str(migration.relative_to(ROOT))).decode()
    assert added, f"{migration.name} is not in the history: commit it"
    return released[0] if released else f"{added.split()[-1]}~"


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/courierx.db"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.database() as name:
        yield postgres.url(name, OWNER)


def becomes_true(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_version_before_goes_on_beside_this_one(tmp_path: Path, url: str, before: Path) -> None:
    (tmp_path / "people.csv").write_text("email\n" + "".join(f"p{n}@x.example\n" for n in range(PEOPLE)))
    (tmp_path / "mail.txt").write_text("Hello")
    (tmp_path / "courierx.toml").write_text("[transports.smtp]\nmax_concurrency = 4\n")
    upgraded = threading.Event()

    def slow(stage: str, _sender: str, _recipient: str, _count: int) -> str:
        return "delay 2" if stage == "dot" and not upgraded.is_set() else ""

    with SmtpServer(script=slow) as sink:
        environ = {"DATABASE_URL": url, "SMTP_URL": sink.url, "COURIERX_SECRET_KEY": "0" * 64}
        old, new = Version(tmp_path, environ, before), Version(tmp_path, environ)
        old.run("db", "upgrade")
        with old.running("worker.log", "worker"), old.running("send.log", *send("one")) as sending:
            becomes_true(sink.received)
            new.run("db", "upgrade")
            assert len(sink.received()) < PEOPLE, "all had gone before the upgrade: it proves nothing"
            upgraded.set()
            assert sending.wait(PATIENCE_SECONDS) == 0
        with old.running("again.log", "worker") as again:
            assert json.loads(new.run(*send("two"), "--json"))["states"] == {"accepted": PEOPLE}
            assert again.poll() is None
        assert json.loads(new.run("db", "check", "--json"))["broken"] == []
        assert len(sink.received()) == 2 * PEOPLE
        assert duplicates(sink.received()) == {}


def send(name: str) -> list[str]:
    return [
        "send", "--csv", "people.csv", "--text", "mail.txt", "--subject", name, "--name", name,
        "--from", "news@acme.example", "--unsubscribe", "mailto:no@acme.example", "--yes",
    ]  # fmt: skip
