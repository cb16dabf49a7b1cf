"""`courierx serve` and `courierx worker --processes` as people run them, with every way to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.serving import PATIENCE_SECONDS, Serving, line_of, serve, until

__all__ = ["serve"]


def test_an_empty_folder_sends_a_campaign_and_stops_when_told(
    serve: Callable[..., Serving], tmp_path: Path
) -> None:
    running = serve()
    key = running.word_after("Platform key, shown this once: ")
    assert (tmp_path / "courierx.db").exists()
    assert (tmp_path / "courierx.key").stat().st_mode & 0o777 == 0o600
    until(running.answers)
    with httpx.Client(base_url=running.url, headers={"Authorization": f"Bearer {key}"}) as client:
        assert client.get("/me").json()["platform"] is True
        tenant = client.post("/tenants/", json={"name": "Acme", "contact_email": "post@acme.example"}).json()
        rows = "email\n" + "".join(f"p{number}@x.example\n" for number in range(25))
        body = {"tenant_id": tenant["id"], "csv_text": rows}
        assert client.post("/subscribers/bulk-import", json=body).json()["imported"] == 25
        stop = {"tenant_id": tenant["id"], "email": "p3@x.example"}
        assert client.post("/suppression/", json=stop).status_code == 201
        draft = {"name": "May", "subject": "Hi", "body": "Hello", "from_email": "news@acme.example"}
        made = client.post("/campaigns/", json={"tenant_id": tenant["id"], **draft}).json()
        path = f"/campaigns/{made['id']}"
        assert client.post(f"{path}/send-now").json() == {"enqueued": 25, "status": "sending"}
        with client.stream("GET", f"{path}/progress/stream") as stream:
            told = [line for line in stream.iter_lines() if "status" in line]
        assert told[-1] == 'data: {"status":"completed"}'
        report = client.get(f"{path}/report").json()
    assert report["states"] == {"accepted": 24, "suppressed": 1}
    assert report["audience"] == 25
    children = running.children()
    assert len(children) == 2
    with httpx.Client(base_url=running.url, headers={"Authorization": f"Bearer {key}"}) as client:
        other = client.post("/campaigns/", json={"tenant_id": tenant["id"], **draft}).json()
        at = {"scheduled_at": "2999-01-01T00:00:00Z"}
        assert client.post(f"/campaigns/{other['id']}/schedule", json=at).status_code == 200
        with client.stream("GET", f"/campaigns/{other['id']}/progress/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: progress"
            running.process.send_signal(signal.SIGTERM)
            list(lines)  # to its end, which a process that stops does not wait for a campaign to bring
    assert running.process.wait(PATIENCE_SECONDS) == 0
    assert not any(line_of(each) for each in children)


def test_the_key_is_shown_once(serve: Callable[..., Serving]) -> None:
    first = serve()
    assert first.word_after("Platform key, shown this once: ").startswith("cx_1_")
    until(first.answers)
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(PATIENCE_SECONDS) == 0
    again = serve("--no-worker")
    until(again.answers)
    assert not [line for line in again.said if "cx_" in line]
    assert len(again.children()) == 1


@pytest.mark.parametrize("word", ["api_process", "worker"])
def test_a_child_that_dies_is_started_again(serve: Callable[..., Serving], word: str) -> None:
    running = serve("--dev")
    until(running.answers)
    before = running.child(word)
    before.kill()
    assert running.child(word, other_than=before.pid)
    until(running.answers)
    assert [line for line in running.said if "is started again" in line]


def test_the_children_do_not_outlive_a_supervisor_that_is_killed(serve: Callable[..., Serving]) -> None:
    running = serve("--dev")
    until(running.answers)
    children = [running.child("api_process"), running.child("worker")]
    running.process.kill()
    until(lambda: not any(line_of(each) for each in children))


def test_workers_are_kept_running_and_stop_when_told(serve: Callable[..., Serving]) -> None:
    workers = serve("--processes", "3", "--name", "w", command=("worker",))
    until(lambda: len(workers.children()) == 3, workers.said)
    first = workers.child("--name w-1")
    first.kill()
    workers.child("--name w-1", other_than=first.pid)
    assert until(lambda: [line for line in workers.said if "The worker 1 ended with status -9" in line])
    children = workers.children()
    until(lambda: all(idles(each) for each in children), workers.said)
    workers.process.send_signal(signal.SIGTERM)
    assert workers.process.wait(PATIENCE_SECONDS) == 0
    assert not any(line_of(each) for each in children)


def test_workers_do_not_outlive_their_supervisor(serve: Callable[..., Serving]) -> None:
    workers = serve("--processes", "2", command=("worker",))
    until(lambda: len(workers.children()) == 2, workers.said)
    children = workers.children()
    until(lambda: all(idles(each) for each in children), workers.said)
    workers.process.kill()
    until(lambda: not any(line_of(each) for each in children))


def test_workers_with_a_wrong_setting_are_not_started(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "courierx_app.cli", "worker", "--processes", "2"]
    answer = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "COURIERX_WINDOW": "many"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.count("COURIERX_WINDOW") == 1


def idles(process: psutil.Process) -> bool:
    """Tell whether a worker's lanes run: from then on it hears a signal."""
    try:
        return process.num_threads() >= 5
    except psutil.Error:
        return False


def test_a_port_in_use_is_one_clear_line(serve: Callable[..., Serving], tmp_path: Path) -> None:
    running = serve("--dev")
    port = running.url.rpartition(":")[2]
    command = [sys.executable, "-m", "courierx_app.cli", "serve", "--port", port]
    other = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert other.returncode == 1
    assert other.stderr == f"courierx: Port {port} of 127.0.0.1 is in use; choose another with --port.\n"


@pytest.mark.parametrize(
    ("options", "environ", "said"),
    [
        (("--dev", "--host", "0.0.0.0"), {}, "it binds loopback only"),
        (("--dev",), {"ENVIRONMENT": "production"}, "refuses to start with ENVIRONMENT=production"),
        ((), {"ENVIRONMENT": "production", "ALLOWED_ORIGINS": "*"}, "ALLOWED_ORIGINS: got '*'"),
        ((), {"ENVIRONMENT": "production"}, "COURIERX_SECRET_KEY is not set"),
    ],
)
def test_what_is_unsafe_does_not_start(
    tmp_path: Path, options: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    command = [sys.executable, "-m", "courierx_app.cli", "serve", "--port", "0", *options]
    answer = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 1
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
