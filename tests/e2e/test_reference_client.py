"""A client of the reference system works against CourierX: as it is with `--dev`, else with the header."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.serving import Serving, serve, until

__all__ = ["serve"]
CLIENT = Path(__file__).with_name("reference_client.py")


@pytest.mark.parametrize("dev", [True, False], ids=["dev", "with a key"])
def test_every_documented_flow_works(serve: Callable[..., Serving], dev: bool) -> None:
    running = serve(*(["--dev"] if dev else []))
    key = [] if dev else [running.word_after("Platform key, shown this once: ")]
    until(running.answers)
    done = subprocess.run(
        [sys.executable, "-I", str(CLIENT), running.url, *key],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "every flow works\n"), (done.stderr, running.said)


def test_without_the_header_it_is_told_what_to_add(serve: Callable[..., Serving]) -> None:
    running = serve("--no-worker")
    until(running.answers)
    done = subprocess.run(
        [sys.executable, "-I", str(CLIENT), running.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "401, not 201" in done.stderr
    assert "Authorization: Bearer cx_" in done.stderr
