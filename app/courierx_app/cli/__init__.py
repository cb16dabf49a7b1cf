"""`courierx`: the command line. A command is imported when it is called, so that `--help` stays quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from courierx_app.cli.root import cli
from courierx_app.cli.run import run

__all__ = ["cli", "main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0, or non-zero with one line on stderr that says why."""
    sys.exit(run(cli, arguments))
