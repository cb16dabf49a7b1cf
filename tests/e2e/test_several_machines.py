"""The README's "Several machines", word for word but for the addresses, while everything is killed once."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from courierx_core.testing.script import Rule
from courierx_core.testing.smtp import SmtpServer
from courierx_core.testing.spool import duplicates
from tests.servers import OWNER, PostgresServer, private_postgres
from tests.valkey import RedisServer, private_redis

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
PEOPLE = 300
PATIENCE_SECONDS = 60.0


def lines() -> list[list[str]]:
    section = README.split("## Several machines")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [shlex.split(line) for line in "".join(blocks).splitlines()]


def exported(**instead: str) -> dict[str, str]:
    """Return what the section exports, with addresses that exist here."""
    given = dict(part.split("=", 1) for line in lines() if line[0] == "export" for part in line[1:])
    assert set(instead) <= set(given)
    return {**given, **instead}


def command(word: str) -> list[str]:
    (found,) = [line for line in lines() if line[0] == ".venv/bin/courierx" and line[1] == word]
    return [sys.executable, "-m", "courierx_app.cli", *found[1:]]


@contextmanager
def running(folder: Path, environ: dict[str, str], *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{words[0]}.log").open("wb") as log:
        process = subprocess.Popen(command(words[0]), cwd=folder, env=environ, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE_SECONDS)


def becomes_true(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_workers_and_redis_survive_every_kill(tmp_path: Path) -> None:
    rules = [Rule(stage="dot", action="delay 0.3")]
    with (
        private_postgres(durable=True) as postgres,  # a commit it loses would be answers nobody has
        private_redis() as redis,
        SmtpServer(rules=rules) as sink,
        postgres.database() as name,
    ):
        send(tmp_path, postgres, redis, sink, name)


def send(tmp_path: Path, postgres: PostgresServer, redis: RedisServer, sink: SmtpServer, name: str) -> None:
    settings = exported(DATABASE_URL=postgres.url(name, OWNER), REDIS_URL=redis.url, SMTP_URL=sink.url)
    environ = {**os.environ, **settings, "COURIERX_LEASE_SECONDS": "5"}
    people = "".join(f"p{n}@x.example,Ann\n" for n in range(PEOPLE))
    (tmp_path / "people.csv").write_text(f"email,first_name\n{people}")
    (tmp_path / "mail.txt").write_text("Dear {{ first_name }}")
    (tmp_path / "courierx.toml").write_text("[transports.smtp]\nmax_concurrency = 4\n")
    subprocess.run(command("db"), cwd=tmp_path, env=environ, check=True, timeout=60)
    with running(tmp_path, environ, "worker") as workers, running(tmp_path, environ, "send") as sending:
        becomes_true(lambda: len(sink.received()) >= 20)
        victim = psutil.Process(workers.pid).children()[0]
        victim.kill()
        redis.kill()
        redis.start()
        becomes_true(lambda: len(sink.received()) >= 60)
        postgres.kill()
        postgres.start()
        status = sending.wait(2 * PATIENCE_SECONDS)
        assert status in (0, 3), (tmp_path / "send.log").read_text()
        workers.send_signal(signal.SIGTERM)
        assert workers.wait(PATIENCE_SECONDS) == 0
    assert not duplicates(sink.received())
    assert "completed" in (tmp_path / "send.log").read_text()
    with psycopg.connect(postgres.url(name)) as connection:
        states = dict(connection.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
    assert set(states) <= {"accepted", "uncertain"}
    assert sum(states.values()) == PEOPLE
    assert states["accepted"] <= len(sink.received()) <= PEOPLE
