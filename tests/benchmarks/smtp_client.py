"""Measure SMTP clients against the same sink in one run; print JSON. Only the ratios count.

    python tests/benchmarks/smtp_client.py [--messages 40000] [--rounds 3]

Debian's `smtp-sink` where it is installed, else the project's own server. Rounds are interleaved and
medians given. CPU is this process's (user and system), not the sink's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from courierx_core.ports.driver import Runtime, Secret
from courierx_core.ports.transport import Accepted
from courierx_core.testing import FakeEnvelope, SmtpServer
from courierx_smtp.config import SmtpConfig
from courierx_smtp.connect import connect
from courierx_smtp.offers import Offers
from courierx_smtp.session import SmtpSession

HEAD = b"From: <a@b.example>\r\nTo: <x@y.example>\r\nSubject: hello\r\nX-CourierX-Send-ID: abc\r\n\r\n"
CONTENT = HEAD + (b"Lorem ipsum dolor sit amet, https://example.com/a?b=c elit, sed do eius\r\n") * 66
LATENCY_CONNECTIONS = 10
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
        raise SystemExit(f"{accepted} of {number} were accepted")


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


def measured(run: Callable[[], None], number: int) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    run()
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {
        "per_second": number / seconds,
        "cpu_us": (user + system) / number * 1e6,
        "user_us": user / number * 1e6,
    }


@contextlib.contextmanager
def sink() -> Iterator[int]:
    program = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin:/usr/lib/postfix/sbin")
    if program is None:
        with SmtpServer() as server:
            yield server.port
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, *user, f"127.0.0.1:{port}", "1000"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--delayed-messages", type=int, default=2_000)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    fast, slow = given.messages, given.delayed_messages
    found: dict[str, list[dict[str, float]]] = {}
    with sink() as port, delayed(port, given.latency_ms) as far:
        for _ in range(given.rounds):
            for name, number, run in (
                ("ours", fast, lambda: ours(port, fast)),
                ("smtplib", fast // 4, lambda: standard_library(port, fast // 4)),
                ("ours_lock_step", fast // 4, lambda: ours(port, fast // 4, lock_step=True)),
                ("ours_delayed", slow, lambda: ours(far, slow, LATENCY_CONNECTIONS)),
                (
                    "lock_step_delayed",
                    slow // 4,
                    lambda: ours(far, slow // 4, LATENCY_CONNECTIONS, lock_step=True),
                ),
                (
                    "smtplib_delayed",
                    slow // 4,
                    lambda: standard_library(far, slow // 4, LATENCY_CONNECTIONS),
                ),
            ):
                found.setdefault(name, []).append(measured(run, number))
    result = {name: medians(rounds) for name, rounds in found.items()}
    rate = {name: values["per_second"] for name, values in result.items()}
    ratios = {
        "ours_to_smtplib": rate["ours"] / rate["smtplib"],
        "ours_to_lock_step_delayed": rate["ours_delayed"] / rate["lock_step_delayed"],
        "ours_to_smtplib_delayed": rate["ours_delayed"] / rate["smtplib_delayed"],
    }
    print(json.dumps({"clients": result, "ratios": ratios}, indent=2))


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in rounds), 1) for name in rounds[0]}


if __name__ == "__main__":
    main()
