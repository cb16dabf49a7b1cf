"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time

from courierx_core.campaigns.service import Report
from courierx_core.delivery.model import OPEN

WIDTH = 32
PLAIN_SECONDS = 10.0


class Progress:
    """Writes to standard error, so that what a command prints can be piped. Quiet with `--json`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._said = time.monotonic()
        self._drawn = False

    def rows(self, done: int) -> None:
        """Say how many rows have been read."""
        self._say(f"{done:,} rows read")

    def campaign(self, report: Report) -> None:
        """Say how far a campaign is."""
        audience = report.audience
        done = audience - sum(report.states.get(state, 0) for state in OPEN)
        share = done / audience if audience else 0.0
        bar = "#" * int(share * WIDTH)
        self._say(f"[{bar:<{WIDTH}}] {share:4.0%}  {done:,} of {audience:,}")

    def done(self) -> None:
        """Leave the last line standing."""
        if self._drawn:
            sys.stderr.write("\n")
            self._drawn = False

    def _say(self, text: str) -> None:
        if self._quiet:
            return
        if self._terminal:
            sys.stderr.write(f"\r\x1b[2K{text}")
            sys.stderr.flush()
            self._drawn = True
        elif time.monotonic() - self._said > PLAIN_SECONDS:
            self._said = time.monotonic()
            sys.stderr.write(f"{text}\n")
