"""One worker process of a pipeline: `python -m tests.benchmarks.worker FOLDER TENANT CAMPAIGN`.

It says `ready`, waits for a line, works until the campaign is completed, and says what that cost it.
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

LOOK_SECONDS = 0.05


def work(folder: Path, tenant_id: int, campaign_id: int) -> None:
    with opened(read(folder, os.environ)) as courier:
        stop = threading.Event()
        worker = threading.Thread(target=Worker(courier, "bench").run, args=(stop,))
        print("ready", flush=True)
        sys.stdin.readline()
        before, cpu = peak_memory(), _others_cpu()
        worker.start()
        while True:
            with courier.store.begin(tenant_id, write=False) as unit:
                if unit.campaigns.get(campaign_id).status == "completed":
                    break
            time.sleep(LOOK_SECONDS)
        peak = peak_memory()
        told = {"cpu": _others_cpu() - cpu, "memory_mb": peak, "memory_above_imports_mb": peak - before}
        print(json.dumps(told), flush=True)
        stop.set()
        worker.join()


def _others_cpu() -> float:
    """Return the processor time of all threads but this one: looking is not the worker's work."""
    return time.process_time() - time.thread_time()


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
