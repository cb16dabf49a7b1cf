"""The RQ queue keeps its contract on a real server, and walks into none of the traps of RQ and Redis."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.testing import QueueContract
from courierx_core.testing.certificates import make_certificate
from courierx_core.testing.queue import hears, listening
from courierx_rq.notification import ENTRY_POINT, Notification, Refused, work_is_ready
from courierx_rq.queue import RqConfig, RqQueue
from tests.valkey import RedisServer, private_redis, sentinel_for, tls_in_front_of

DEADLINE = 20.0


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with private_redis() as made:
        yield made


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    with shared.client() as client:
        client.flushall()
    return shared


@pytest.fixture
def client(server: RedisServer) -> Iterator[Redis]:
    with server.client() as made:
        yield made


@pytest.fixture
def queue(server: RedisServer) -> Iterator[RqQueue]:
    with closing(queue_at(server.url)) as made:
        yield made


def queue_at(url: str) -> RqQueue:
    return RqQueue("rq", RqConfig(url=Secret(url)), Runtime())


def rq_queue(client: Redis, name: str = "emails") -> Queue:
    return Queue(name, connection=client, serializer=JSONSerializer)


def becomes_true(condition: Callable[[], Any]) -> bool:
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class TestRqQueue(QueueContract):
    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.url = server.url

    def queue(self) -> RqQueue:
        return queue_at(self.url)


# What is written.


def test_a_job_is_plain_json_that_never_times_out(queue: RqQueue, client: Redis) -> None:
    job_id = queue.notify("broadcast")
    job = Job.fetch(job_id, client, JSONSerializer)
    assert json.loads(job.data) == [ENTRY_POINT, None, ["broadcast"], {}]
    assert (job.timeout, job.result_ttl, job.ttl) == (-1, 0, None)
    assert client.ttl(job.key) == -1
    assert set(job_id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def test_transactional_work_has_a_queue_of_its_own(queue: RqQueue, client: Redis) -> None:
    ids = {topic: queue.notify(topic) for topic in ("transactional", "broadcast", "tasks")}
    assert rq_queue(client, "emails-transactional").job_ids == [ids["transactional"]]
    assert rq_queue(client, "emails").job_ids == [ids["broadcast"], ids["tasks"]]


def test_notifications_that_wait_are_one(queue: RqQueue, client: Redis) -> None:
    assert len({queue.notify("broadcast") for _ in range(500)}) == 1
    assert queue.notify("broadcast-2") != queue.notify("broadcast")
    assert rq_queue(client).count == 2


def test_one_that_was_taken_holds_up_no_other(queue: RqQueue, client: Redis) -> None:
    """RQ's `unique` would: for as long as the job runs, 500 s after it, and a year where it failed."""
    taken = queue.notify("broadcast")
    client.lpop(rq_queue(client).key)
    assert Job.exists(taken, client)
    assert queue.notify("broadcast") != taken
    assert rq_queue(client).count == 1


def test_nothing_is_left_when_it_was_heard(queue: RqQueue, client: Redis) -> None:
    with listening(queue, ["broadcast"]) as heard:
        assert hears(queue, heard, "broadcast")
        assert becomes_true(lambda: not list(client.scan_iter("rq:job:*")))
        assert rq_queue(client).failed_job_registry.count == 0


# What is run: nothing.


def hostile(client: Redis, tmp_path: Path, **fields: Any) -> str:
    """Enqueue a job that would make a file, with fields of its hash overwritten."""
    job = rq_queue(client).enqueue("os.mkdir", str(tmp_path / "made"), job_id="hostile", failure_ttl=60)
    if fields:
        client.hset(job.key, mapping=fields)
    return str(job.id)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data": json.dumps([ENTRY_POINT, None, ["../x"], {}])},
        {"data": json.dumps([ENTRY_POINT, None, ["broadcast", "more"], {}])},
        {"data": json.dumps([ENTRY_POINT, None, [{"topic": 1}], {}])},
        {"data": json.dumps([7, None, [], {}])},
        {"data": json.dumps({"func": "os.mkdir"})},
        {"data": b"\x00junk"},
        {"data": pickle.dumps(("os.mkdir", None, ("made",), {}))},
        {"timeout": "soon"},
        {"status": "sideways"},
        {"created_at": "yesterday"},
    ],
    ids=lambda fields: "-".join(fields) + str(fields.get("data", ""))[:12],
)
def test_a_job_that_is_no_notification_is_refused(
    queue: RqQueue, client: Redis, tmp_path: Path, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "rq.worker")
    hostile(client, tmp_path, **fields)
    with listening(queue, ["broadcast"]) as heard:
        assert becomes_true(lambda: not rq_queue(client).count)
        assert hears(queue, heard, "broadcast"), "the listener has not outlived it"
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("data", [[ENTRY_POINT, None, ["broadcast"], {}], ["no.such", None, [], {}]])
def test_no_callback_and_no_webhook_is_run(
    queue: RqQueue, client: Redis, tmp_path: Path, data: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """RQ takes the names of both out of the job's hash."""
    caplog.set_level(logging.CRITICAL, "rq.worker")
    with create_server(("127.0.0.1", 0)) as called:
        called.settimeout(0.1)
        hook = {"url": f"http://127.0.0.1:{called.getsockname()[1]}/", "statuses": ["finished", "failed"]}
        hostile(
            client, tmp_path, data=json.dumps(data), webhooks=json.dumps([hook]),
            success_callback_name="this.is_imported", failure_callback_name="this.is_imported",
        )  # fmt: skip
        sys.modules.pop("this", None)
        with listening(queue, ["broadcast"]) as heard:
            assert becomes_true(lambda: not rq_queue(client).count)
            assert hears(queue, heard, "broadcast")
        with pytest.raises(TimeoutError):
            called.accept()
    assert "this" not in sys.modules


def test_a_refused_job_is_shown_for_a_while(
    queue: RqQueue, client: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "rq.worker")
    job_id = hostile(client, tmp_path)
    with listening(queue, ["broadcast"]):
        assert becomes_true(lambda: job_id in rq_queue(client).failed_job_registry.get_job_ids())


def test_rq_itself_cannot_do_our_work() -> None:
    job = Notification("x", connection=Redis(), serializer=JSONSerializer)
    assert job.success_callback is job.failure_callback is job.stopped_callback is None
    with pytest.raises(Refused, match="courierx worker"):
        work_is_ready("broadcast")


# What `rq` shows.


def test_the_listener_is_shown_while_it_listens(queue: RqQueue, client: Redis, server: RedisServer) -> None:
    with listening(queue, ["transactional", "broadcast"]) as heard:
        assert hears(queue, heard, "broadcast")
        (worker,) = Worker.all(client)
        assert worker.queue_names() == ["emails-transactional", "emails"]
        assert worker.pid == os.getpid()
        told = subprocess.run(
            [sys.executable, "-m", "rq.cli", "info", "--url", server.url, "--raw"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        assert "worker courierx-" in told
        assert "queue emails 0" in told
    assert Worker.all(client) == []
    assert client.smembers("rq:workers") == set()


def test_suspending_rq_suspends_no_mail(queue: RqQueue, client: Redis) -> None:
    suspend(client)
    try:
        with listening(queue, ["broadcast"]) as heard:
            assert hears(queue, heard, "broadcast")
    finally:
        resume(client)


def test_it_listens_on_any_thread_without_touching_signals(queue: RqQueue) -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    with listening(queue, ["broadcast"]) as heard:
        assert hears(queue, heard, "broadcast")
        assert [signal.getsignal(number) for number in numbers] == before


# What happens without Redis.


@pytest.fixture
def own() -> Iterator[RedisServer]:
    with private_redis() as made:
        yield made


def test_work_goes_on_while_redis_is_away(own: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with closing(queue_at(own.url)) as queue, listening(queue, ["broadcast"], sweep_seconds=0.05) as heard:
        assert heard.reaches("broadcast", 2)
        own.kill()
        assert heard.reaches("broadcast", heard.count("broadcast") + 10)
        with pytest.raises(RedisError):
            queue.notify("broadcast")
    assert [r.message for r in caplog.records if r.name == "courierx.queue"].count(
        "rq: Redis is away (ConnectionError): the sweep works on"
    ) <= 1


def test_it_is_found_again_after_a_restart(own: RedisServer) -> None:
    with closing(queue_at(own.url)) as queue, listening(queue, ["broadcast"]) as heard:
        assert hears(queue, heard, "broadcast")
        own.kill()
        own.start()
        assert becomes_true(lambda: notified(queue, heard))
        with own.client() as client:
            assert len(Worker.all(client)) == 1


def test_a_flush_loses_nothing_but_time(server: RedisServer, queue: RqQueue, client: Redis) -> None:
    with listening(queue, ["broadcast"]) as heard:
        assert hears(queue, heard, "broadcast")
        client.flushall()
        assert hears(queue, heard, "broadcast")
        assert becomes_true(lambda: len(Worker.all(client)) == 1)


def test_a_server_that_hangs_holds_nobody_up_for_long(own: RedisServer) -> None:
    with closing(queue_at(own.url)) as queue:
        with listening(queue, ["broadcast"], sweep_seconds=0.05) as heard:
            assert heard.reaches("broadcast", 2)
            own.suspend()
            try:
                assert heard.reaches("broadcast", heard.count("broadcast") + 10)
                with pytest.raises(RedisError):
                    queue.notify("broadcast")
                began = time.monotonic()
                with pytest.raises(RedisError):
                    queue.notify("broadcast")
                assert time.monotonic() - began < 1.0, "the second did not fail at once"
            finally:
                own.resume()
        assert becomes_true(lambda: works(lambda: queue.notify("broadcast")))


def test_doctor_says_so_when_redis_is_away(own: RedisServer) -> None:
    with closing(queue_at(own.url)) as queue:
        assert queue.check() == []
        own.kill()
        assert [problem.code for problem in queue.check()] == ["redis_away"]


def notified(queue: RqQueue, heard: Any) -> bool:
    with suppress(RedisError):
        return hears(queue, heard, "broadcast")
    return False


def works(act: Callable[[], object]) -> bool:
    try:
        act()
    except RedisError:
        return False
    return True


# Where Redis is.


@pytest.mark.parametrize("number", [0, 5])
def test_a_password_and_a_database_number(server: RedisServer, number: int) -> None:
    with closing(queue_at(f"redis://default:{server.password}@127.0.0.1:{server.port}/{number}")) as queue:
        job_id = queue.notify("broadcast")
    with Redis(port=server.port, password=server.password, db=number) as client:
        assert Job.exists(job_id, client)


def test_sentinel(server: RedisServer) -> None:
    with (
        sentinel_for(server, "mail") as port,
        closing(queue_at(f"redis+sentinel://:{server.password}@127.0.0.1:{port}/mail/0")) as queue,
        listening(queue, ["broadcast"]) as heard,
    ):
        assert hears(queue, heard, "broadcast")


def test_tls(server: RedisServer, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    address = f"rediss://:{server.password}@localhost:{{}}/0?ssl_ca_certs={certificate.authority}"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    with tls_in_front_of(server.port, context) as port:
        with closing(queue_at(address.format(port))) as queue, listening(queue, ["broadcast"]) as heard:
            assert hears(queue, heard, "broadcast")
        with closing(queue_at(address.format(port).partition("?")[0])) as queue, pytest.raises(RedisError):
            queue.notify("broadcast")
