"""SMTP clients against the same sink, next door and at 20 ms of latency. Processor time is the client's."""

from __future__ import annotations

import contextlib
import resource
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.transport import Accepted
from courierx_core.testing import FakeEnvelope
from courierx_smtp.config import SmtpConfig
from courierx_smtp.connect import connect
from courierx_smtp.offers import Offers
from courierx_smtp.session import SmtpSession
from tests.benchmarks.figures import Figures, Unbalanced, medians
from tests.benchmarks.sink import fast_sink

HEAD = b"From: <a@b.example>\r\nTo: <x@y.example>\r\nSubject: hello\r\nX-CourierX-Send-ID: abc\r\n\r\n"
CONTENT = HEAD + (b"Lorem ipsum dolor sit amet, https://example.com/a?b=c elit, sed do eius\r\n") * 66
LATENCY_MS = 20.0
FEW = 10
"""Connections at that latency."""
PROXY = Path(__file__).with_name("delaying_proxy.py")


class Envelope(FakeEnvelope):
    """One that costs nothing to make."""

    def mime(self) -> bytes:
        return CONTENT


def ours(port: int, number: int, connections: int = 20, *, lock_step: bool = False) -> None:
    config = SmtpConfig(url=Secret(f"smtp://127.0.0.1:{port}"), max_concurrency=connections)

    def dial() -> tuple[socket.socket, Offers]:
        sock, offers = connect(config.server(), config, None)
        return sock, Offers() if lock_step else offers

    session = SmtpSession(config, dial, Runtime().monotonic)
    accepted = sum(isinstance(receipt, Accepted) for receipt in session.send_many(envelopes(number)))
    session.close()
    if accepted != number:
        raise Unbalanced(f"the SMTP client: {accepted} of {number} messages were accepted")


def standard_library(port: int, number: int, connections: int = 20) -> None:
    """smtplib in threads, each with a kept connection."""

    def run(share: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for _ in range(share):
                client.sendmail("sender@example.org", ["person@example.com"], CONTENT)

    threads = [threading.Thread(target=run, args=(number // connections,)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def envelopes(number: int) -> Iterator[FakeEnvelope]:
    """Few objects, over and over: the client is measured, not the making of envelopes."""
    made = [Envelope(id) for id in range(1, 1001)]
    return islice(cycle(made), number)


def measured(run: Callable[[int], None], number: int) -> Figures:
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    run(number)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"per_second": number / seconds, "cpu_us": used / number * 1e6}


@contextlib.contextmanager
def delayed(port: int, milliseconds: float) -> Iterator[int]:
    """A proxy in a process of its own that adds a round trip."""
    command = [sys.executable, str(PROXY), str(port), str(milliseconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def compare(fast: int, slow: int, rounds: int) -> dict[str, Figures]:
    """Send `fast` messages next door and `slow` ones at 20 ms, with each client in turn."""
    found: dict[str, list[Figures]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="courierx-bench-") as folder,
        fast_sink()(Path(folder)) as sink,
        delayed(sink.port, LATENCY_MS) as far,
    ):
        runs: tuple[tuple[str, int, Callable[[int], None]], ...] = (
            ("ours", fast, lambda number: ours(sink.port, number)),
            ("smtplib", fast // 4, lambda number: standard_library(sink.port, number)),
            ("lock_step", fast // 4, lambda number: ours(sink.port, number, lock_step=True)),
            ("ours_20ms", slow, lambda number: ours(far, number, FEW)),
            ("lock_step_20ms", slow // 4, lambda number: ours(far, number, FEW, lock_step=True)),
            ("smtplib_20ms", slow // 4, lambda number: standard_library(far, number, FEW)),
        )
        for _ in range(rounds):
            for name, number, run in runs:
                found.setdefault(name, []).append(measured(run, number))
        wanted = rounds * sum(number for _, number, _ in runs)
        if (taken := sink.taken(wanted)) != wanted:
            raise Unbalanced(f"the SMTP clients: the sink took {taken} of {wanted} messages")
    rate = {name: [each["per_second"] for each in values] for name, values in found.items()}
    ratios = [
        {
            "x_smtplib": rate["ours"][n] / rate["smtplib"][n],
            "x_smtplib_20ms": rate["ours_20ms"][n] / rate["smtplib_20ms"][n],
            "x_lock_step_20ms": rate["ours_20ms"][n] / rate["lock_step_20ms"][n],
        }
        for n in range(rounds)
    ]
    return {name: medians(values) for name, values in found.items()} | {"ratios": medians(ratios)}
