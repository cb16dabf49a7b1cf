"""The breaker of a transport: how it does, as one lane of a worker has seen it, from run to run."""

from __future__ import annotations

import time

BACKOFF_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)


class Health:
    """Closed while mail is taken; open, for longer each time, after an outage; then a window's worth of mail
    finds out."""

    def __init__(self) -> None:
        self._failures = 0
        """Outages in a row, for the back-off."""
        self.until = 0.0
        """Monotonic time until which it rests."""

    def works(self) -> None:
        """Note a success: the next outage is a first one."""
        self._failures = 0

    def backoff(self) -> float:
        """How long the next rest will be, in seconds: longer with each outage in a row."""
        return BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]

    def rest(self, seconds: float) -> None:
        """Note an outage: it is not to be used for so long."""
        self._failures += 1
        self.until = time.monotonic() + seconds

    def hold(self, seconds: float) -> None:
        """Note that it is not to be used for so long, which is no outage."""
        self.until = time.monotonic() + seconds

    def left(self) -> float:
        """Return in how many seconds it may be used again; 0 where it may now."""
        return max(0.0, self.until - time.monotonic())
