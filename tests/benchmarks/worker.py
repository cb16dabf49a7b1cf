"""One worker process of a pipeline: `python -m tests.benchmarks.worker FOLDER`.

It says `ready`, waits for a line, works until the next one, and says what that cost it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

from courierx_app.container import opened
from courierx_app.settings import read
from courierx_core.worker import Worker
from tests.benchmarks.processes import peak_memory


def work(folder: Path) -> None:
    with opened(read(folder, os.environ)) as courier:
        stop = threading.Event()
        worker = threading.Thread(target=Worker(courier, "bench").run, args=(stop,))
        print("ready", flush=True)
        sys.stdin.readline()
        before, cpu = peak_memory(), _others_cpu()
        worker.start()
        sys.stdin.readline()
        peak = peak_memory()
        told = {"cpu": _others_cpu() - cpu, "memory_mb": peak, "memory_above_imports_mb": peak - before}
        print(json.dumps(told), flush=True)
        stop.set()
        worker.join()


def _others_cpu() -> float:
    """Return the processor time of all threads but this one, which only waits for its line."""
    return time.process_time() - time.thread_time()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
