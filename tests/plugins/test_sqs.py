"""The queue `sqs`, on a real server: moto's, in a process of its own."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.testing import QueueContract
from courierx_core.testing.queue import DEADLINE, hears, listening
from courierx_sqs.queue import SqsConfig, SqsQueue
from tests.ports import free_port


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urlopen(f"{url}/moto-api/", timeout=10).close()
        except URLError:
            assert process.poll() is None, "moto's server ended"
            assert time.monotonic() < end, "moto's server does not answer"
            time.sleep(0.05)
        else:
            return


def queue_at(url: str, name: str = "courierx") -> SqsQueue:
    config = SqsConfig(
        endpoint_url=url,
        access_key_id="AKIA",
        secret_access_key=Secret("hunter2"),
        queue_name=name,
        wait_seconds=1,
    )
    return SqsQueue("sqs", config, Runtime())


@pytest.fixture
def queue(server: str) -> Iterator[SqsQueue]:
    with closing(queue_at(server)) as made:
        yield made


class TestSqsQueue(QueueContract):
    flood = 100  # each is a request

    @pytest.fixture(autouse=True)
    def _server(self, server: str, request: pytest.FixtureRequest) -> None:
        self.url, self.name = server, f"q{abs(hash(request.node.name))}"

    def queue(self) -> SqsQueue:
        return queue_at(self.url, self.name)


def test_a_queue_that_is_missing_is_made_and_forgets_old_notifications(server: str) -> None:
    with closing(queue_at(server, "made")) as queue:
        queue.notify("tasks")
        client = queue._client(answer_seconds=3)
        told = client.get_queue_attributes(QueueUrl=queue._url(client, "tasks"), AttributeNames=["All"])
    assert told["Attributes"]["QueueArn"].endswith(":made-tasks")
    assert told["Attributes"]["MessageRetentionPeriod"] == "3600"


def test_nothing_is_left_when_it_was_heard(server: str) -> None:
    with closing(queue_at(server, "heard")) as queue:
        with listening(queue, ["broadcast"]) as heard:
            assert hears(queue, heard, "broadcast")
        client = queue._client(answer_seconds=3)
        url = queue._url(client, "broadcast")
        while queue._take(client, url):
            pass
        told = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert (told["ApproximateNumberOfMessages"], told["ApproximateNumberOfMessagesNotVisible"]) == (
            "0",
            "0",
        )


def test_while_sqs_is_away_the_clock_calls_and_notifying_fails_soon(caplog: pytest.LogCaptureFixture) -> None:
    with closing(queue_at(f"http://127.0.0.1:{free_port()}")) as queue:
        with listening(queue, ["broadcast"], sweep_seconds=0.05) as heard:
            assert heard.reaches("broadcast", 3)
            for _ in range(2):
                with pytest.raises(BotoCoreError):
                    queue.notify("broadcast")
        (problem,) = queue.check()
    assert (problem.level, problem.code) == ("error", "queue_away")
    assert "SQS is away" in caplog.text
    assert "hunter2" not in caplog.text + repr(problem) + repr(queue.config)


def test_it_hears_again_when_sqs_is_back(
    server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("courierx_sqs.queue.AWAY_SECONDS", 0.01)
    broken = threading.Event()
    take = SqsQueue._take

    def fail(self: SqsQueue, client: object, url: str) -> bool:
        if not broken.is_set():
            broken.set()
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "ReceiveMessage")
        return take(self, client, url)

    monkeypatch.setattr(SqsQueue, "_take", fail)
    caplog.set_level(logging.WARNING)
    with closing(queue_at(server)) as queue, listening(queue, ["broadcast"]) as heard:
        assert broken.wait(DEADLINE)
        assert hears(queue, heard, "broadcast")
    assert "SQS is back" in caplog.text


def test_it_is_well_where_its_queue_answers(queue: SqsQueue) -> None:
    assert queue.check() == []
