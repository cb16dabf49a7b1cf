"""What the figures were made on, and when: without it they mean nothing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from tests.benchmarks.sink import SBIN
from tests.servers import postgres_binaries


class Machine(msgspec.Struct, frozen=True):
    """The shape of a machine, and how busy it was with other things."""

    date: str
    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    postgresql: str
    sink: str
    load: float
    """Load average of the minute before."""


def look() -> Machine:
    return Machine(
        date=datetime.now(timezone.utc).date().isoformat(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgresql=_version(_said(str(postgres_binaries() / "postgres"), "--version")),
        sink="Postfix's smtp-sink" if shutil.which("smtp-sink", path=SBIN) else "the project's test server",
        load=round(os.getloadavg()[0], 1),
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _version(said: str) -> str:
    return next(iter(re.findall(r"\d+(?:\.\d+)*", said)), said)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
