"""A child process that ends when its parent does, however the parent ended."""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "COURIERX_PARENT_PIPE"


def follow_parent() -> None:
    """End this process as by SIGTERM when the supervisor is gone: its end of the pipe closes with it."""
    handle = os.environ.pop(VARIABLE, "")
    if not handle:
        return

    def watch() -> None:
        os.read(int(handle), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="courierx-parent", daemon=True).start()
