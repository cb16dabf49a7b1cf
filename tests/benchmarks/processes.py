"""What processes cost: processor time of a server with its children, memory of this process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]


def cpu_seconds(pid: int) -> float:
    """Add up the user and system time of a process and its children, the ended ones included."""
    process = psutil.Process(pid)
    ended = process.cpu_times()
    seconds = float(ended.children_user + ended.children_system)
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            used = each.cpu_times()
            seconds += used.user + used.system
    return seconds


def peak_memory(pid: int | None = None) -> float:
    """Return a process's own peak in MB, by default this one's; `ru_maxrss` would begin with its parent's."""
    (line,) = [
        each for each in Path(f"/proc/{pid or 'self'}/status").read_text().splitlines() if "VmHWM" in each
    ]
    return int(line.split()[1]) / 1024
