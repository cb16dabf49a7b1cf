"""The embedded queue and the local limiter keep their contracts."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courierx_core.meter import SWEEP_KEYS
from courierx_core.ports.driver import Runtime
from courierx_core.ports.limiter import Rate
from courierx_core.testing import LimiterContract, QueueContract
from courierx_core.testing.limiter import Clock
from courierx_core.testing.queue import hears, listening
from courierx_embedded.limiter import LocalLimiter, LocalLimiterConfig
from courierx_embedded.queue import EmbeddedQueue, EmbeddedQueueConfig


def queue_in(folder: Path) -> EmbeddedQueue:
    return EmbeddedQueue("embedded", EmbeddedQueueConfig(), Runtime(folder=folder))


def local_limiter(clock: Clock) -> LocalLimiter:
    return LocalLimiter("local", LocalLimiterConfig(), Runtime(monotonic=clock.monotonic))


class TestEmbeddedQueue(QueueContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def queue(self) -> EmbeddedQueue:
        return queue_in(self.folder)


class TestLocalLimiter(LimiterContract):
    def limiter(self, clock: Clock) -> LocalLimiter:
        return local_limiter(clock)


def test_another_process_is_heard(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from courierx_core.ports.driver import Runtime;"
        "from courierx_embedded.queue import EmbeddedQueue, EmbeddedQueueConfig;"
        "EmbeddedQueue('q', EmbeddedQueueConfig(), Runtime(folder=Path(sys.argv[1]))).notify('broadcast')"
    )
    queue = queue_in(tmp_path)
    with listening(queue, ["broadcast"]) as heard:
        assert hears(queue, heard, "broadcast")
        before = heard.count("broadcast")
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={"PYTHONPATH": path()})
        assert heard.reaches("broadcast", before + 1)
    queue.close()


def test_a_dead_listeners_socket_is_removed(tmp_path: Path) -> None:
    code = "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1])"
    (tmp_path / "notify").mkdir()
    left = tmp_path / "notify" / "1-1"
    subprocess.run([sys.executable, "-c", code, str(left)], check=True)
    assert left.exists()
    queue = queue_in(tmp_path)
    queue.notify("broadcast")
    queue.close()
    assert not left.exists()


def test_listeners_leave_no_socket_behind(tmp_path: Path) -> None:
    queue = queue_in(tmp_path)
    with listening(queue, ["broadcast"]) as heard:
        assert hears(queue, heard, "broadcast")
        assert len(list((tmp_path / "notify").iterdir())) == 1
    queue.close()
    assert list((tmp_path / "notify").iterdir()) == []


def test_a_folder_that_cannot_hold_sockets_still_serves_this_process(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    queue = queue_in(folder)
    assert [problem.code for problem in queue.check()] == ["queue_one_process"]
    with listening(queue, ["broadcast"]) as heard:
        assert hears(queue, heard, "broadcast")
    queue.close()


def test_stop_before_listening_handles_nothing(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    called: list[str] = []
    queue = queue_in(tmp_path)
    queue.listen(["broadcast"], called.append, stop, 1.0)
    queue.close()
    assert called == []


def test_idle_keys_are_forgotten_and_busy_ones_are_not() -> None:
    clock = Clock()
    limiter = local_limiter(clock)
    assert limiter.take("busy", 10, Rate(10, 1)).granted == 10
    assert limiter.take("slow", 1, Rate(1, 1_000_000)).granted == 1
    clock.advance(10.0)
    for number in range(SWEEP_KEYS * 2):
        limiter.take(f"key{number}", 1, Rate(1_000_000))
        clock.advance(0.001)
    assert len(limiter._meters) <= SWEEP_KEYS
    assert limiter.take("slow", 1, Rate(1, 1_000_000)).granted == 0


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_changing_the_rate_gains_nothing(first: int, second: int) -> None:
    limiter = local_limiter(Clock())
    assert limiter.take("key", 10_000, Rate(first)).granted == first
    assert limiter.take("key", 10_000, Rate(second)).granted <= max(0, second - 1)


def path() -> str:
    return ":".join(entry for entry in sys.path if entry)
